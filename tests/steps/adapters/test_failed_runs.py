"""Failed runs, as ZenML's own store tells them."""

from pathlib import Path

import pytest
from zenml import pipeline, step

from models.errors import ConfigError, ProjectError
from steps.adapters.failed_runs import failed_runs
from steps.adapters.report_site import build_site
from tests.site_audit import crawl

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@step(enable_cache=False)
def break_down() -> int:
    """Fail the way a wrong configuration does."""
    raise ConfigError("The rate is wrong.", where="here", allowed="a share", do="Mend it.")


@pipeline(enable_cache=False)
def doomed() -> None:
    """Fail at the first step."""
    break_down()


def test_a_failed_run_is_told_with_its_step_and_the_errors_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    with pytest.raises((ProjectError, RuntimeError)):
        doomed()
    newest = failed_runs()[0]
    assert newest.name.startswith("doomed")
    assert newest.step == "break_down"
    assert "The rate is wrong." in newest.reason
    assert "Mend it." in newest.reason
    assert "Traceback" not in newest.reason
    site = build_site(failed=[newest]).index.parent
    assert "The rate is wrong." in (site / "runs.html").read_text(encoding="utf-8")
    assert crawl(site)[1] == []
