"""What every test stands on: an environment of its own, so that no test meets the user's state."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from steps.adapters.environment import load_environment

ROOT = Path(__file__).resolve().parents[1]
MOVIELENS = "movielens-latest-small"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STATE = pytest.StashKey[Path]()


@dataclass(frozen=True)
class Project:
    """The project under test: its ``root``, and the state folder of this test session."""

    root: Path
    state: Path


def pytest_configure(config: pytest.Config) -> None:
    """Point all state at a folder of this session, before anything under test is imported."""
    state = Path(tempfile.mkdtemp(prefix="intentflow-tests-"))
    config.stash[STATE] = state
    os.environ |= {
        "INTENTFLOW_HOME": str(state),
        "ZENML_CONFIG_PATH": str(state / "zenml"),
        "BENTOML_HOME": str(state / "bento"),
        "DVC_SITE_CACHE_DIR": str(state / "cache" / "dvc"),
        "MPLCONFIGDIR": str(state / "cache" / "matplotlib"),
        # The user's .zen names a stack of the user's own store: not read, and not written to.
        "ZENML_REPOSITORY_DIRECTORY_NAME": ".zen-of-tests",
        "ZENML_CUSTOM_SOURCE_ROOT": str(ROOT),
    }
    load_environment(ROOT)
    os.chdir(ROOT)
    settings.register_profile("intentflow", deadline=None)  # a busy machine is no failure
    settings.load_profile("intentflow")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's folder."""
    state = config.stash.get(STATE, None)
    if state is not None:
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Project:
    """The project, with a state folder that this session alone uses."""
    return Project(root=ROOT, state=pytestconfig.stash[STATE])


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder of real data sets, each in a folder of its own."""
    return _real_data("")


@pytest.fixture(scope="session")
def movielens() -> Path:
    """MovieLens latest-small: what `dvc pull` brought, or the same files elsewhere."""
    pulled = ROOT / "data" / MOVIELENS
    return pulled if pulled.is_dir() else _real_data(MOVIELENS)


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A browser that runs without a window."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is on the PATH")
    return Path(found)


@pytest.fixture
def screenshot(chromium: Path, tmp_path: Path) -> Callable[..., Path]:
    """Takes a picture of a page as a person sees it: ``screenshot(url_or_path) -> PNG``."""

    def take(page: str | Path, *, width: int = 1200, height: int = 1600) -> Path:
        address = page.resolve().as_uri() if isinstance(page, Path) else page
        picture = tmp_path / "page.png"
        subprocess.run(
            [str(chromium), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'browser'}",
             f"--window-size={width},{height}", f"--screenshot={picture}", address],
            check=True, capture_output=True, timeout=120,
            env=os.environ | {"HOME": str(tmp_path)},
        )  # fmt: skip
        return picture

    return take


def _real_data(name: str) -> Path:
    given = os.environ.get("INTENTFLOW_REAL_DATA")
    folder = (Path(given) if given else ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: name its folder by INTENTFLOW_REAL_DATA")
    return folder
