"""How each edition of MovieLens lays out its files, and the films and users in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models.data.datasets.cells import Cell
from models.data.datasets.formats import open_unpacked
from models.data.datasets.rawfiles import read_table
from models.errors import DataError

USER_FIELDS = ("gender", "age", "occupation")
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
_AGES = {  # the youngest of each band: README of ML-1M
    **{0: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55"},
    56: "56 and above",
}
_OCCUPATIONS = (  # README of ML-1M
    *("other or not specified", "academic/educator", "artist", "clerical/admin"),
    *("college/grad student", "customer service", "doctor/health care", "executive/managerial"),
    *("farmer", "homemaker", "K-12 student", "lawyer", "programmer", "retired"),
    *("sales/marketing", "scientist", "self-employed", "technician/engineer"),
    *("tradesman/craftsman", "unemployed", "writer"),
)


@dataclass(frozen=True)
class Layout:
    """Where an edition keeps what.

    Attributes:
        name: As messages call it.
        ratings: File of ratings.
        movies: File of titles and genres.
        users: File of users; null where there is none.
        separator: Between the cells of a rating.
        columns: Names of the cells of a rating; null where the file has a header line.
        films: Reads ``movies``: film, title, genres as a list.
        people: Reads ``users``: user and `USER_FIELDS`.
    """

    name: str
    ratings: str
    movies: str
    users: str | None = None
    separator: str = ","
    columns: tuple[str, ...] | None = None
    films: Callable[[Path], pl.DataFrame] = lambda path: _films_of_csv(path)
    people: Callable[[Path], pl.DataFrame] = lambda path: _people_of_dat(path)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files the edition must have."""
        return tuple(name for name in (self.ratings, self.movies, self.users) if name)

    @property
    def cells(self) -> dict[str, Cell]:
        """What the columns of a rating are."""
        user, item, rating, time = self.columns or ("userId", "movieId", "rating", "timestamp")
        return {
            "user_id": Cell(user, "whole"),
            "item_id": Cell(item, "whole"),
            "rating": Cell(rating, "number"),
            "timestamp": Cell(time, "seconds"),
        }


def _films_of_csv(path: Path) -> pl.DataFrame:
    movies = read_table(path, ("movieId", "title", "genres"))
    return _films(movies["movieId"].to_list(), movies["title"], movies["genres"])


def _films_of_dat(path: Path) -> pl.DataFrame:
    rows = _rows(path, "::", 3)
    return _films(*([row[cell] for row in rows] for cell in range(3)))


def _films_of_item(path: Path) -> pl.DataFrame:
    rows = _rows(path, "|", 5 + len(_GENRES))
    genres = [
        "|".join(name for name, flag in zip(_GENRES[1:], row[6:], strict=True) if flag == "1")
        for row in rows
    ]
    return _films([row[0] for row in rows], [row[1] for row in rows], genres)


def _films(
    ids: Sequence[str | None],
    titles: Sequence[str | None] | pl.Series,
    genres: Sequence[str | None] | pl.Series,
) -> pl.DataFrame:
    frame = pl.DataFrame(
        {"item_id": ids, "title": titles, "genres": genres},
        schema_overrides=dict.fromkeys(("item_id", "title", "genres"), pl.String),
    )
    none = pl.col("genres").is_null() | pl.col("genres").is_in(["", "(no genres listed)"])
    return frame.with_columns(
        pl.col("title").str.strip_chars(),
        pl.when(~none).then(pl.col("genres").str.split("|")),
    )


def _people_of_dat(path: Path) -> pl.DataFrame:
    rows = _rows(path, "::", 5)
    known = {str(code): name for code, name in enumerate(_OCCUPATIONS)}
    return _people([(row[0], row[1], row[2], known.get(row[3], row[3])) for row in rows])


def _people_of_user(path: Path) -> pl.DataFrame:
    return _people([(row[0], row[2], row[1], row[3]) for row in _rows(path, "|", 5)])


def _people(rows: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    """Return users with their ages in the bands of ML-1M, which gives the youngest of each."""
    banded = [(user, gender, _band(age), job) for user, gender, age, job in rows]
    return pl.DataFrame(banded, schema=["user_id", *USER_FIELDS], orient="row")


def _band(age: str) -> str | None:
    """Return the band of an age; 1 stands for every age under 18 in ML-1M."""
    if not age.isdigit():
        return None
    return next(name for youngest, name in reversed(_AGES.items()) if int(age) >= youngest)


def _rows(path: Path, separator: str, width: int) -> list[list[str]]:
    """Return the cells of a small file without a header: UTF-8 in later editions, else Latin-1.

    Raises:
        DataError: a line has another number of cells; it is named.
    """
    with open_unpacked(path) as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    rows = [line.split(separator) for line in text.splitlines() if line]
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise DataError(
                f"The line has {len(row)} cells: {separator.join(row)[:80]!r}.",
                where=f"{path}, line {number}",
                allowed=f"{width} cells, separated by {separator!r}",
                do="Download the file again.",
            )
    return rows


_DAT = ("UserID", "MovieID", "Rating", "Timestamp")
LAYOUTS: Mapping[str, Layout] = {
    "latest-small": Layout("MovieLens", "ratings.csv", "movies.csv"),
    "20m": Layout("MovieLens 20M", "ratings.csv", "movies.csv"),
    "1m": Layout(
        "MovieLens 1M", "ratings.dat", "movies.dat", "users.dat", "::", _DAT, _films_of_dat
    ),
    "10m": Layout(
        "MovieLens 10M", "ratings.dat", "movies.dat", None, "::", _DAT, _films_of_dat
    ),
    "100k": Layout(
        "MovieLens 100k", "u.data", "u.item", "u.user", "\t",
        ("user id", "item id", "rating", "timestamp"), _films_of_item, _people_of_user,
    ),
}  # fmt: skip
"""``latest-small`` is the layout of 20M, 25M, 32M and every ``latest`` too."""


def find_layout(folder: Path) -> Layout:
    """Return the layout whose files are there, or else most of them, in or below ``folder``."""

    def there(layout: Layout) -> tuple[int, int, int]:
        here = sum(_any(folder, name) for name in layout.files)
        below = sum(_any(folder, f"**/{name}") for name in layout.files)
        return int(here == len(layout.files)), here + below, len(layout.files)

    return max(LAYOUTS.values(), key=there) if folder.is_dir() else LAYOUTS["latest-small"]


def _any(folder: Path, pattern: str) -> bool:
    return any(True for end in ("", ".gz", ".zst") for _ in folder.glob(pattern + end))
