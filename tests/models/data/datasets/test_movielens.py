import gzip
from pathlib import Path

import polars as pl
import pytest

from models.data.datasets.movielens import MovieLens, MovieLensSettings
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.examples import ExampleStore, build_example_store
from models.data.leakage import check_leakage, single_feature_aucs
from models.errors import DataError, MissingDataError, SchemaError
from models.settings import load_settings
from tests.models.data.datasets.raw_sets import movielens_1m, movielens_100k, movielens_csv

MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Animation
2,"Usual Suspects, The (1995)",Crime
3,Untitled,(no genres listed)
"""
RATINGS = """userId,movieId,rating,timestamp
7,1,4.0,1000000000
7,2,3.0,1000000010
7,3,2.5,1000000020
8,2,3.5,1000000030
"""


@pytest.fixture
def download(tmp_path: Path) -> Path:
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml/movies.csv").write_text(MOVIES)
    (tmp_path / "ml/ratings.csv").write_text(RATINGS)
    return tmp_path


def load(root: Path):
    return MovieLens.load(MovieLensSettings(path="ml"), root)


def test_ratings_above_three_are_positive_below_negative_and_three_is_dropped(download) -> None:
    tables = load(download)
    shown = tables.impressions.select("user_id", "item_id", "timestamp", "label").rows()
    assert shown == [(7, 1, 1000000000, 1), (7, 3, 1000000020, 0), (8, 2, 1000000030, 1)]
    assert tables.behaviours.select("user_id", "item_id").rows() == [(7, 1), (8, 2)]
    assert tables.spec.facts == {
        "impressions_read": 4,
        "ratings_dropped_as_neutral": 1,
        "positives": 2,
        "negatives": 1,
    }


def test_year_and_genres_come_from_the_film(download) -> None:
    films = load(download).items.drop("title").rows()
    assert films == [
        (1, "Adventure, Animation", "Adventure", 1995),
        (2, "Crime", "Crime", 1995),
        (3, "", None, None),
    ]


EDITIONS = {"20m": movielens_csv, "1m": movielens_1m, "100k": movielens_100k}


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_gives_the_same_ratings_and_is_recognised(edition: str, tmp_path) -> None:
    EDITIONS[edition](tmp_path / "other")
    movielens_csv(tmp_path / "csv")
    tables = MovieLens.load(MovieLensSettings(path="other"), tmp_path)
    told = MovieLens.load(MovieLensSettings(path="other", layout=edition), tmp_path)
    expected = MovieLens.load(MovieLensSettings(path="csv"), tmp_path)
    assert tables.impressions.equals(expected.impressions)
    assert told.impressions.equals(tables.impressions)
    assert tables.items.select("item_id", "year").equals(expected.items.select("item_id", "year"))
    assert tables.items["main_genre"].null_count() == 0


@pytest.mark.parametrize("edition", ["1m", "100k"])
def test_users_have_gender_occupation_and_the_age_bands_of_1m(edition: str, tmp_path) -> None:
    EDITIONS[edition](tmp_path / "ml")
    tables = load(tmp_path)
    assert tables.spec.user_fields == ("gender", "age", "occupation")
    first, second = tables.users.head(2).rows()
    if edition == "1m":
        assert first == (1, "F", "18-24", "academic/educator")
        assert second == (2, "M", "25-34", "artist")
    else:  # of 21 and 25 years
        assert (first, second) == ((1, "F", "18-24", "writer"), (2, "M", "25-34", "writer"))
    assert tables.users.null_count().sum_horizontal().item() == 0


def test_titles_with_accents_and_colons_survive_latin_1(tmp_path) -> None:
    movielens_1m(tmp_path / "ml")
    film = load(tmp_path).items.row(2, named=True)
    assert film["title"] == "Café: 3 (1993)"
    assert film["genres"] == "Sci-Fi, Drama"


def test_10m_has_no_users_and_packed_files_are_read_as_they_are(tmp_path) -> None:
    movielens_1m(tmp_path / "ml")
    (tmp_path / "ml/users.dat").unlink()
    tables = MovieLens.load(MovieLensSettings(path="ml", layout="10m"), tmp_path)
    assert tables.spec.user_fields == ()
    ratings = tmp_path / "ml/ratings.dat"
    (tmp_path / "ml/ratings.dat.gz").write_bytes(gzip.compress(ratings.read_bytes()))
    ratings.unlink()
    packed = MovieLens.load(MovieLensSettings(path="ml", layout="10m"), tmp_path)
    assert packed.impressions.equals(tables.impressions)


def test_a_film_with_too_few_cells_is_named(tmp_path) -> None:
    movielens_100k(tmp_path / "ml")
    path = tmp_path / "ml/u.item"
    path.write_bytes(path.read_bytes().replace(b"|01-Jan-1993|", b"|"))
    with pytest.raises(DataError, match="The line has 23 cells") as error:
        load(tmp_path)
    assert "u.item, line 3" in error.value.where


def test_dirty_ratings_can_be_left_out(download) -> None:
    path = download / "ml/ratings.csv"
    path.write_text(RATINGS.replace("2.5", "NaN"))
    settings = MovieLensSettings.model_validate(
        {"path": "ml", "dirty_rows": {"policy": "drop", "max_share": 0.5}}
    )
    tables = MovieLens.load(settings, download)
    assert tables.impressions.height == 2
    assert tables.dirty_rows["value"].to_list() == ["NaN"]


def test_a_wrong_path_and_half_a_download_are_told_apart(download) -> None:
    with pytest.raises(MissingDataError, match="There is no such folder"):
        MovieLens.load(MovieLensSettings(path="elsewhere"), download)
    with pytest.raises(MissingDataError, match="lie in a folder below this one"):
        MovieLens.load(MovieLensSettings(path="."), download)
    (download / "ml/movies.csv").unlink()
    with pytest.raises(MissingDataError, match=r"ratings\.csv is, movies\.csv is not"):
        load(download)


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (RATINGS.replace("rating,", "score,"), SchemaError, "no column 'rating'"),
        (RATINGS.replace("2.5", "NaN"), SchemaError, "'NaN' of column 'rating' is no number"),
        (RATINGS.replace("7,3", "seven,3"), SchemaError, "'seven' of column 'userId'"),
        (
            RATINGS[: RATINGS.index("30\n")],
            SchemaError,
            "'10000000' of column 'timestamp' is no time",
        ),
        (RATINGS[: RATINGS.index(",1000000030")], SchemaError, "'timestamp' is empty"),
        ("", DataError, r"empty \(0 bytes\)"),
    ],
)
def test_broken_ratings_are_named(download, broken: str, error, message: str) -> None:
    path = download / "ml/ratings.csv"
    path.write_text(broken)
    with pytest.raises(error, match=message) as caught:
        load(download)
    assert str(path) in caught.value.where


def test_the_shipped_configuration_builds_a_sound_store(movielens: Path, tmp_path: Path) -> None:
    config = load_settings(DatasetConfig, Path("configs/datasets/movielens_latest_small.yaml"))
    settings = {**config.settings, "path": str(movielens)}
    tables = load_dataset(config.model_copy(update={"settings": settings}), Path())
    summary = build_example_store(tables, config.examples, tmp_path, seed=0)
    store = ExampleStore.open(tmp_path)
    check_leakage(store)
    assert store.num_examples == tables.impressions.height == summary["examples"]
    assert 0.85 < summary["trigger_share"] < 0.95
    assert max(single_feature_aucs(tables).values()) < 0.9
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size / store.num_examples <= 60


def test_real_data_has_the_known_number_of_films(movielens: Path) -> None:
    settings = MovieLensSettings(path=str(movielens))
    tables = MovieLens.load(settings, Path())
    with_year = tables.items.filter(pl.col("year").is_between(1870, 2018)).height
    assert with_year > 0.99 * tables.items.height
    assert tables.items["title"].null_count() == 0
