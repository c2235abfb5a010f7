"""Artifacts are found, made once, and refused when they are not what the run recorded."""

from pathlib import Path

import pytest

from models.artifacts import ArtifactRef, Scalar
from models.errors import CorruptArtifactError, MissingDataError
from steps.adapters.workspace import (
    images_folder,
    local,
    newest_artifact,
    produce,
    project_root,
    resume_folder,
    state_folder,
)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))


def make(text: str = "hello", seed: int = 1) -> ArtifactRef:
    def write(folder: Path) -> dict[str, Scalar]:
        (folder / "a.txt").write_text(text)
        return {"length": len(text)}

    return produce("note", write, config={"seed": seed}, parents={}, library="code")


def test_a_reference_finds_its_files_wherever_the_state_folder_lies() -> None:
    ref = make()
    assert not Path(ref.path).is_absolute()
    assert local(ref) == state_folder() / ref.path
    assert (local(ref) / "a.txt").read_text() == "hello"
    assert ref.summary["length"] == 5
    assert ref.summary["work_seconds"] >= 0


def test_what_a_killed_run_finished_is_not_made_again() -> None:
    first = make("hello")
    again = make("never written: same inputs")
    assert again == first


def test_other_settings_make_another_artifact() -> None:
    assert make(seed=1).path != make(seed=2).path


def test_a_changed_artifact_is_refused() -> None:
    ref = make()
    with pytest.raises(CorruptArtifactError, match="differ from those the run recorded"):
        local(ref.model_copy(update={"content_hash": "0" * 64}))


def test_a_lost_artifact_is_named_with_the_way_back() -> None:
    ref = make()
    with pytest.raises(CorruptArtifactError, match="no whole artifact") as caught:
        local(ref.model_copy(update={"path": "artifacts/note/gone"}))
    assert "intentflow checkout" in caught.value.do


def test_the_newest_artifact_of_a_kind_is_found() -> None:
    assert newest_artifact("note") is None
    make(seed=1)
    last = make(seed=2)
    assert newest_artifact("note") == local(last)


def test_a_killed_training_finds_its_place_again_and_another_one_does_not() -> None:
    ref = make()
    places = {resume_folder("ctr_model", {"examples": ref}, {"lr": 1}, seed) for seed in (1, 1, 2)}
    assert len(places) == 2


def test_outside_a_project_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (project_root() / "configs").is_dir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDataError, match="no intentflow project"):
        project_root()


def test_images_start_from_the_project_root() -> None:
    from models.data.schema import DatasetSpec

    spec = DatasetSpec(name="x", item_text=("title",), has_images=True, images_root="pictures")
    assert images_folder(spec) == project_root() / "pictures"
    assert images_folder(spec.model_copy(update={"has_images": False})) is None
