"""Files are whole or absent, also when the writer dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.files import TEMPORARY_PREFIX, new_folder, remove_leftovers, write_bytes, write_text

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from models.files import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_text(path, "one")
    write_text(path, "zwei ⊕")
    assert path.read_text(encoding="utf-8") == "zwei ⊕"
    assert names(path.parent) == ["file.json"]


def test_a_failed_write_leaves_the_old_file_and_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    with new_folder(path) as folder:
        (folder / "a").write_text("1")
        assert not path.exists()
    assert names(path) == ["a"]


def test_an_older_folder_stays_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    with new_folder(path) as folder:
        (folder / "a").write_text("1")

    def fail_half_way() -> None:
        with new_folder(path) as folder:
            (folder / "b").write_text("2")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail_half_way()
    assert names(path) == ["a"]
    assert names(tmp_path) == ["artifact"]


def test_an_older_folder_is_replaced_not_merged(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    for name in ("a", "b"):
        with new_folder(path) as folder:
            (folder / name).write_text(name)
    assert names(path) == ["b"]
    assert names(tmp_path) == ["artifact"]


def test_a_killed_writer_leaves_the_old_folder_and_a_trace_that_is_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    with new_folder(path) as folder:
        (folder / "a").write_text("1")
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert names(path) == ["a"]
    assert any(name.startswith(TEMPORARY_PREFIX) for name in names(tmp_path))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["artifact"]


def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    with new_folder(tmp_path / "artifact") as folder:
        remove_leftovers(tmp_path)
        assert folder.is_dir()
    assert names(tmp_path) == ["artifact"]
