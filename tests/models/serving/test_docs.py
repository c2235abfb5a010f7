"""What docs/how-to/serve.md shows is what the service takes."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

from models.serving.guard import MAX_BODY_BYTES
from models.serving.request import MAX_CANDIDATES, MAX_HISTORY, ScoreRequest, parse_request
from tests.models.serving.shop import Shop

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "serve.md"


def block(opening: str) -> str:
    found = re.search(rf"^```{re.escape(opening)}\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert found is not None
    return found[1]


def test_the_request_shown_is_a_good_one_and_names_every_field() -> None:
    request = parse_request(ScoreRequest, block('json title="request.json"'))
    assert request.model_fields_set == set(ScoreRequest.model_fields)


def test_the_python_shown_scores_the_request(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shop.folders["daian"], tmp_path / "model")
    (tmp_path / "request.json").write_text(block('json title="request.json"'))
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python"), str(PAGE), "exec"), {})
    assert re.fullmatch(r"\[0\.\d+, 0\.\d+, 0\.\d+\]\n", printed.getvalue())


def test_the_limits_told_are_the_limits() -> None:
    text = PAGE.read_text()
    assert f"1 to {MAX_CANDIDATES:,} ids" in text
    assert f"at most {MAX_HISTORY:,} events" in text
    assert f"{MAX_BODY_BYTES // 2**20} MiB" in text
