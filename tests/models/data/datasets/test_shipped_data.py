"""What ships in the repository: ``dvc pull`` on a bare clone gives MovieLens, without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[4]
LARGEST_MB = 4


def run(*command: str, folder: Path, home: Path) -> None:
    environment = os.environ | {
        "HOME": str(home),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
    }
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("dvc", reason="needs the ops extra")
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    home = tmp_path_factory.mktemp("bare")
    run("git", "clone", "-q", "--no-local", str(ROOT), "clone", folder=home, home=home)
    run(sys.executable, "-m", "dvc", "pull", "-q", folder=home / "clone", home=home)
    return home / "clone"


def test_pull_on_a_bare_clone_brings_the_ratings_and_films(clone: Path) -> None:
    folder = clone / "data" / "movielens-latest-small"
    ratings, movies = pl.read_csv(folder / "ratings.csv"), pl.read_csv(folder / "movies.csv")
    assert (ratings.height, movies.height) == (99_997, 9_061)
    assert ratings["userId"].n_unique() == 671
    assert set(ratings["movieId"].unique()) == set(movies["movieId"])
    assert movies.filter(pl.col("movieId") == 1)["title"].item() == "Toy Story (1995)"
    assert movies.null_count().sum_horizontal().item() == 0


def test_pull_leaves_the_clone_clean(clone: Path) -> None:
    command = ["git", "status", "--porcelain"]
    assert subprocess.run(command, cwd=clone, capture_output=True, check=True).stdout == b""


def test_shipped_remote_is_small_and_carries_its_terms() -> None:
    shipped = ROOT / ".dvc" / "shipped"
    size = sum(path.stat().st_size for path in shipped.rglob("*") if path.is_file())
    assert size < LARGEST_MB * 1e6
    terms = (shipped / "README.md").read_text(encoding="utf-8")
    assert "Harper" in terms
    assert "commercial" in terms
    assert "Usage License" in (shipped / "README.grouplens.txt").read_text(encoding="utf-8")


def test_dvc_of_the_repository_reports_nothing_to_anyone() -> None:
    config = (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    assert "analytics = false" in config
    assert "check_update = false" in config
