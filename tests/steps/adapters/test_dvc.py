import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.repo import Repo

from models.artifacts import file_hash, verify_artifact, write_artifact
from models.errors import VersioningError
from steps.adapters.dvc import data_hash, pull_data, restore_run, store_artifacts

# DVC 3.67 itself uses what pygtrie deprecates: github.com/iterative/dvc.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


def make_artifact(state: Path, kind: str, key: str, content: bytes) -> Path:
    folder = state / "artifacts" / kind / key
    with write_artifact(folder, kind) as draft:
        (draft.folder / "part").mkdir()
        (draft.folder / "part" / "values.bin").write_bytes(content)
        (draft.folder / "facts.json").write_text(json.dumps({"key": key}))
    return folder


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / ".state"


def test_a_run_comes_back_bit_equal(state: Path, tmp_path: Path) -> None:
    folders = [make_artifact(state, kind, "k1", os.urandom(5000)) for kind in ("model", "store")]
    before = {folder.name + folder.parent.name: bytes_of(folder) for folder in folders}
    hashes = store_artifacts(state, folders, "run-1")
    assert set(hashes) == {"artifacts/model/k1", "artifacts/store/k1"}
    assert all(value.endswith(".dir") for value in hashes.values())
    shutil.rmtree(state / "artifacts")
    assert restore_run(state, "run-1") == folders
    assert {folder.name + folder.parent.name: bytes_of(folder) for folder in folders} == before
    elsewhere = restore_run(state, "run-1", into=tmp_path / "elsewhere")
    assert [bytes_of(folder) for folder in elsewhere] == [bytes_of(folder) for folder in folders]
    assert not list(state.rglob(".partial-*"))


def test_an_older_run_comes_back_over_a_newer_one(state: Path) -> None:
    old = store_artifacts(state, [make_artifact(state, "model", "k", b"old" * 100)], "old")
    folder = make_artifact(state, "model", "k", b"new" * 100)
    new = store_artifacts(state, [folder], "new")
    assert old != new
    restore_run(state, "old")
    assert (folder / "part" / "values.bin").read_bytes() == b"old" * 100
    restore_run(state, "new")
    assert (folder / "part" / "values.bin").read_bytes() == b"new" * 100


def test_storing_the_same_again_changes_nothing(state: Path) -> None:
    folder = make_artifact(state, "model", "k", b"x" * 1000)
    assert store_artifacts(state, [folder], "one") == store_artifacts(state, [folder], "two")


def test_a_damaged_cache_is_passed_over_for_the_remote(state: Path) -> None:
    folder = make_artifact(state, "model", "k", b"y" * 4321)
    expected = bytes_of(folder)
    store_artifacts(state, [folder], "run")
    damaged = [p for p in (state / ".dvc" / "cache").rglob("*") if p.is_file()]
    for path in damaged:
        if path.stat().st_size == 4321:
            path.chmod(0o644)
            path.write_bytes(b"z" * 4321)
    shutil.rmtree(folder)
    restore_run(state, "run")
    assert bytes_of(folder) == expected


def test_a_damaged_remote_is_told_and_nothing_is_lost(state: Path) -> None:
    folder = make_artifact(state, "model", "k", b"y" * 4321)
    store_artifacts(state, [folder], "run")
    expected = bytes_of(folder)
    for root in (state / ".dvc" / "cache", state / "dvc-remote"):
        for path in root.rglob("*"):
            if path.is_file() and path.stat().st_size == 4321:
                path.chmod(0o644)
                path.write_bytes(b"z" * 4321)
    with pytest.raises(VersioningError):
        restore_run(state, "run")
    assert bytes_of(folder) == expected


def test_a_remote_that_was_emptied_is_told(state: Path) -> None:
    folder = make_artifact(state, "model", "k", b"y" * 4321)
    store_artifacts(state, [folder], "run")
    shutil.rmtree(state / "dvc-remote")
    shutil.rmtree(state / ".dvc" / "cache")
    with pytest.raises(VersioningError, match="run") as refusal:
        restore_run(state, "run")
    assert "remote" in refusal.value.do


def test_an_unknown_run_names_the_known_ones(state: Path) -> None:
    store_artifacts(state, [make_artifact(state, "model", "k", b"x")], "known")
    with pytest.raises(VersioningError, match="'other'") as refusal:
        restore_run(state, "other")
    assert refusal.value.allowed == "known"


@pytest.mark.parametrize("run", ["", "../x", ".hidden", "a/b", "x" * 300])
def test_a_run_name_that_is_no_file_name_is_refused(run: str, state: Path) -> None:
    with pytest.raises(VersioningError, match="cannot name a run"):
        store_artifacts(state, [], run)


def test_folders_outside_the_state_are_refused(state: Path, tmp_path: Path) -> None:
    outside = make_artifact(tmp_path, "model", "k", b"x")
    with pytest.raises(VersioningError, match="state folder"):
        store_artifacts(state, [outside], "run")
    with pytest.raises(VersioningError, match="state folder"):
        store_artifacts(state, [state / "artifacts" / "absent"], "run")


def test_the_lock_of_another_process_is_waited_for(state: Path) -> None:
    folder = make_artifact(state, "model", "k", b"x")
    store_artifacts(state, [folder], "first")
    hold = (
        "import sys, time\nfrom dvc.repo import Repo\n"
        "with Repo(sys.argv[1]) as repo, repo.lock:\n"
        "    print('held', flush=True)\n    time.sleep(4)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(state)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        started = time.monotonic()
        store_artifacts(state, [folder], "second")
        assert time.monotonic() - started > 2
    assert restore_run(state, "second") == [folder]


@pytest.mark.slow
def test_a_store_killed_at_any_moment_can_be_done_again(state: Path) -> None:
    folders = [make_artifact(state, "model", f"k{i}", os.urandom(200_000)) for i in range(4)]
    expected = [bytes_of(folder) for folder in folders]
    store = (
        "import sys\nfrom pathlib import Path\nfrom steps.adapters.dvc import store_artifacts\n"
        "state = Path(sys.argv[1])\nprint('ready', flush=True)\n"
        "store_artifacts(state, sorted((state / 'artifacts' / 'model').glob('k?')), 'run')\n"
    )
    root = Path(__file__).resolve().parents[3]
    for delay in (0.0, 0.1, 0.2, 0.4, 0.6, 0.9):
        with subprocess.Popen(
            [sys.executable, "-c", store, str(state)], stdout=subprocess.PIPE, cwd=root
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
    store_artifacts(state, folders, "run")
    shutil.rmtree(state / "artifacts")
    assert [bytes_of(folder) for folder in restore_run(state, "run")] == expected
    for folder in folders:
        verify_artifact(folder, "model")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository whose data DVC pins, with its remote beside them, freshly cloned."""
    origin = tmp_path / "origin"
    (origin / "data" / "ratings").mkdir(parents=True)
    (origin / "data" / "ratings" / "ratings.csv").write_text("user,item\n1,2\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=origin, check=True)
    Repo.init(str(origin)).close()
    (origin / ".dvc" / "config").write_text(
        "[core]\nremote = shipped\n['remote \"shipped\"']\nurl = ../shipped\n"
    )
    (origin / ".gitignore").write_text("/data/\n")
    with Repo(str(origin)) as repo:
        repo.add([str(origin / "data")])
        repo.push()
    subprocess.run([*git, "add", "-A"], cwd=origin, check=True)
    subprocess.run([*git, "commit", "-qm", "data"], cwd=origin, check=True)
    clone = tmp_path / "clone"
    subprocess.run([*git, "clone", "-q", str(origin), str(clone)], check=True)
    return clone


def test_a_fresh_clone_pulls_its_data(project: Path) -> None:
    assert not (project / "data").exists()
    assert pull_data(project) == data_hash(project)
    assert (project / "data" / "ratings" / "ratings.csv").read_text() == "user,item\n1,2\n"
    assert pull_data(project) == data_hash(project)


def test_a_file_that_went_missing_is_pulled_again(project: Path) -> None:
    pull_data(project)
    shutil.rmtree(project / "data")
    pull_data(project)
    assert (project / "data" / "ratings" / "ratings.csv").is_file()


def test_changed_data_are_kept_and_told(project: Path) -> None:
    pull_data(project)
    ratings = project / "data" / "ratings" / "ratings.csv"
    ratings.chmod(0o644)
    ratings.write_text("mine\n")
    with pytest.raises(VersioningError, match="changed") as refusal:
        pull_data(project)
    assert "dvc add" in refusal.value.do
    assert ratings.read_text() == "mine\n"


def test_a_remote_without_the_data_is_told(project: Path) -> None:
    shutil.rmtree(project / "shipped")
    with pytest.raises(VersioningError, match="cannot be fetched"):
        pull_data(project)


@pytest.mark.parametrize("text", [None, "", "outs: 3", "outs: []", "a: [", "\xff\x00"])
def test_an_unreadable_pin_is_told(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "data.dvc").write_text(text, encoding="latin-1")
    with pytest.raises(VersioningError, match="pin") as refusal:
        data_hash(tmp_path)
    assert refusal.value.where.endswith("data.dvc")
