from pathlib import Path

import pytest
from zenml import Model, pipeline, step
from zenml.client import Client
from zenml.enums import ModelStages

from models.files import write_text
from steps.adapters.release_log import Event, Pointer, Release, now, release_path, switch
from steps.adapters.release_zenml import correct_zenml, mark_in_zenml, zenml_differences

LINE = "marked_line"
# ZenML 0.98 itself uses what SQLAlchemy and pydantic deprecate: github.com/zenml-io/zenml.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def put_in_production(folder: Path, *versions: str, staging: str | None = None) -> None:
    event = Event(at=now(), who="me", action="promote", reason="x",
                  from_version=None, to_version=versions[-1])  # fmt: skip
    switch(folder, Pointer(versions=versions, staging=staging, event=event))


def register(folder: Path, version: str, run: str | None) -> None:
    release = Release(version=version, tag=f"intentflow:{version}", model_hash="h",
                      archive_hash="h", registered_at=now(), approved=True, run=run)  # fmt: skip
    write_text(release_path(folder, version), release.model_dump_json())


@step(enable_cache=False)
def nothing() -> int:
    return 1


@pipeline(model=Model(name=LINE), enable_cache=False)
def makes_a_model_version() -> None:
    nothing()


def run_once() -> str:
    run = makes_a_model_version()
    assert run is not None
    return run.name


def stages() -> dict[str, str | None]:
    return {version.name: version.stage for version in Client().list_model_versions(LINE)}


def test_zenml_follows_the_pointer_and_is_corrected(tmp_path: Path) -> None:
    assert mark_in_zenml(tmp_path, "no such model") is None
    for version in ("one", "two"):
        register(tmp_path, version, run_once())
    assert set(stages().values()) == {None}

    put_in_production(tmp_path, "one")
    assert mark_in_zenml(tmp_path, LINE) == "one"
    assert stages() == {"1": "production", "2": None}

    put_in_production(tmp_path, "one", "two")
    assert mark_in_zenml(tmp_path, LINE) == "two"
    assert stages() == {"1": "archived", "2": "production"}

    Client().get_model_version(LINE, "1").set_stage(ModelStages.PRODUCTION, force=True)
    assert mark_in_zenml(tmp_path, LINE) == "two"
    assert stages() == {"1": "archived", "2": "production"}

    put_in_production(tmp_path, "two", staging="one")
    assert mark_in_zenml(tmp_path, LINE) == "two"
    assert stages() == {"1": "staging", "2": "production"}
    assert zenml_differences(tmp_path, LINE) == []

    Client().get_model_version(LINE, "1").set_stage(ModelStages.PRODUCTION, force=True)
    wrong = correct_zenml(tmp_path, LINE)
    assert [(one.version, one.found, one.wanted) for one in wrong] == [
        ("one", "production", "staging"), ("two", "archived", "production"),
    ]  # fmt: skip
    assert stages() == {"1": "staging", "2": "production"}
    assert correct_zenml(tmp_path, LINE) == []

    register(tmp_path, "three", "a run ZenML has forgotten")
    put_in_production(tmp_path, "one", "two", "three")
    assert mark_in_zenml(tmp_path, LINE) == "three"
    assert stages() == {"1": "archived", "2": "archived"}
