"""Artifacts say what they are, and notice when they no longer are."""

import json
from pathlib import Path

import pytest

from models.artifacts import read_manifest, reference, verify_artifact, write_artifact
from models.errors import CorruptArtifactError, IncompatibleArtifactError


def make(folder: Path, text: str = "hello", kind: str = "tables") -> Path:
    with write_artifact(folder, kind, parents={"raw": "abc"}, config={"seed": 1}) as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "a.txt").write_text(text)
        draft.summary["rows"] = 3
    return folder


def test_the_hash_tells_the_bytes_and_nothing_else(tmp_path: Path) -> None:
    first, again = make(tmp_path / "1"), make(tmp_path / "2")
    other = make(tmp_path / "3", text="world")
    hashes = [reference(folder).content_hash for folder in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_manifest_keeps_parents_settings_and_figures(tmp_path: Path) -> None:
    manifest = read_manifest(make(tmp_path / "a"), "tables")
    assert manifest.parents == {"raw": "abc"}
    assert manifest.config == {"seed": 1}
    assert manifest.summary == {"rows": 3}
    assert list(manifest.files) == ["sub/a.txt"]


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    folder = make(tmp_path / "a")
    file = folder / "sub" / "a.txt"
    if damage == "changed":
        file.write_text("hellO")
    elif damage == "missing":
        file.unlink()
    else:
        (folder / "sub" / "b.txt").write_text("more")
    with pytest.raises(CorruptArtifactError, match=r"sub/[ab]\.txt") as caught:
        verify_artifact(folder)
    assert "intentflow checkout" in caught.value.do


def test_a_whole_artifact_verifies(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    assert verify_artifact(folder, "tables").content_hash == reference(folder).content_hash


def test_another_kind_is_refused_by_name_of_both(tmp_path: Path) -> None:
    folder = make(tmp_path / "a")
    with pytest.raises(IncompatibleArtifactError, match="'tables'") as caught:
        read_manifest(folder, "tokenizer")
    assert caught.value.allowed == "tokenizer"


@pytest.mark.parametrize("text", ["", "{", json.dumps({"kind": "tables"})])
def test_a_folder_without_a_whole_manifest_is_no_artifact(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CorruptArtifactError, match="no whole artifact"):
        read_manifest(tmp_path)


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with write_artifact(tmp_path / "a", "tables") as draft:
            (draft.folder / "a").write_text("x")
            raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError, match="disk gone"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []
