"""No space, or no right to write: a word that helps, and everything as it was."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.files import remove_leftovers
from steps.adapters.release import history, production
from tests.faults.conftest import Shelf
from tests.faults.driver import Driver, Told
from tests.faults.invariants import check_artifacts, check_line, check_settled, leftovers

pytestmark = pytest.mark.slow
ACTIONS: dict[str, dict[str, str]] = {
    "promote": {"version": "three"},
    "rollback": {},
    "register": {},
    "stage": {"version": "three"},
}
AFTER = {"promote": "three", "rollback": "one", "register": "two", "stage": "two"}


def arguments(action: str, line: Path, shelf: Shelf) -> dict[str, Any]:
    more = {"bento": shelf.bentos["four"].model_dump_json()} if action == "register" else {}
    return {"line": str(line), **ACTIONS[action], **more}


def mount(*command: str) -> None:
    """Mount, where this is allowed; a container often is not."""
    done = subprocess.run(["mount", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip() or 'no reason given'}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("nothing can be mounted here: there is no `mount`")
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes free."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(bytes(max(0, free - leave)))
    return ballast


def done_or_told(told: Told) -> bool:
    """Whether it was done; if not, then with the word for a full disk."""
    if told.error is None:
        return True
    assert told.error.startswith("ReleaseError"), told.error
    assert "Free space" in told.error
    return "But it is done" in told.error


@pytest.mark.parametrize("action", ACTIONS)
def test_a_full_disk_leaves_the_line_as_it_was(
    action: str, driver: Driver, shelf: Shelf, small_disk: Path
) -> None:
    before, outcomes = history(shelf.line), set()
    for leave in (0, 4096, 8192, 12_288, 16_384, 24_576, 49_152, 98_304, 400_000):
        line = shutil.copytree(shelf.line, small_disk / "line")
        ballast = fill(small_disk, leave)
        told = driver.perform(action, arguments(action, line, shelf), watch=False)
        done = done_or_told(told)
        outcomes.add(done)
        check_line(line, before, {AFTER[action]} if done else {"two"})
        ballast.unlink()
        if not done:
            again = driver.perform(action, arguments(action, line, shelf), watch=False)
            assert again.error is None
        last = driver.perform("stage", {"line": str(line), "version": "three"}, watch=False)
        assert last.error is None or "is in production" in last.error  # somebody comes by
        check_line(line, before, {AFTER[action]})
        check_settled(line)
        shutil.rmtree(line)
    assert outcomes == {True, False}


def test_a_full_disk_leaves_no_half_of_an_artifact(
    driver: Driver, shelf: Shelf, small_disk: Path
) -> None:
    store = str(shelf.shop.folders["din"].parent / "store")
    outcomes = set()
    for leave in (0, 16_384, 65_536, 131_072, 3_000_000):
        state = small_disk / "state"
        ballast = fill(small_disk, leave)
        job = {"environment": {"INTENTFLOW_HOME": str(state)}, "watch": False}
        told = driver.perform("save", {"store": store}, **job)
        outcomes.add(told.error is None)
        assert told.error is None or "space" in told.error, told.error
        check_artifacts(state)
        ballast.unlink()
        assert driver.perform("save", {"store": store}, **job).error is None
        check_artifacts(state)
        remove_leftovers(state)
        assert leftovers(state) == []
        shutil.rmtree(state)
    assert outcomes == {True, False}


@pytest.mark.parametrize("limit", [1024, 4096])
def test_files_that_may_not_grow_leave_the_line_as_it_was(
    limit: int, driver: Driver, shelf: Shelf, line: Callable[[], Path]
) -> None:
    folder, before = line(), history(shelf.line)
    told = driver.perform(
        "promote", arguments("promote", folder, shelf), file_limit=limit, watch=False
    )
    assert not done_or_told(told)
    check_line(folder, before, {"two"})
    assert driver.perform("promote", arguments("promote", folder, shelf)).error is None
    check_line(folder, before, {"three"})
    check_settled(folder)


@pytest.fixture
def forbidden(shelf: Shelf, tmp_path: Path) -> Iterator[Path]:
    """A line that may be read and not written: root needs a disk mounted so, others the rights."""
    line = shutil.copytree(shelf.line, tmp_path / "line")
    if os.geteuid() == 0:
        mount("--bind", str(line), str(line))
        mount("-o", "remount,ro,bind", str(line))
        yield line
        subprocess.run(["umount", str(line)], check=True)
        return
    folders = [line, *(path for path in line.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield line
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_folder_that_may_not_be_written_is_told_and_can_be_read(
    action: str, driver: Driver, shelf: Shelf, forbidden: Path
) -> None:
    told = driver.perform(action, arguments(action, forbidden, shelf), watch=False)
    assert told.error is not None
    assert told.error.startswith("ReleaseError"), told.error
    assert "right to write" in told.error
    check_line(forbidden, history(shelf.line), {"two"})
    assert history(forbidden) == history(shelf.line)
    release = production(forbidden)
    assert release is not None
    assert release.version == "two"
