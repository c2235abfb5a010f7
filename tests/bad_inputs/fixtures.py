"""Bad inputs, each made from one good data set by a single change to a file or the configuration.

A case says which named error ends it, and what that error must tell: its first line (``what``) and
its place (``where``), as regular expressions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from models.errors import (
    ConfigError,
    DataError,
    MissingDataError,
    ProjectError,
    SchemaError,
    SplitError,
    UnknownNameError,
    ValidationFailedError,
)

Config = dict[str, Any]
Spoil = Callable[[Path, Config], None]
ITEMS, USERS = "items.csv", "users.csv"
IMPRESSIONS, BEHAVIOURS = "impressions.parquet", "behaviours.parquet"


@dataclass(frozen=True)
class BadInput:
    """One bad input.

    ``stage`` is where it must be found at the latest: ``load`` when the files are read,
    ``validate`` by the validation suite, ``examples`` when the examples are built (without
    validation before, as where only the library is installed).
    """

    name: str
    spoil: Spoil
    error: type[ProjectError]
    what: str
    where: str
    stage: Literal["load", "validate", "examples"] = "load"


def table(file: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    """Return a change of one file's rows; the cells of a CSV file are text."""

    def spoil(raw: Path, _: Config) -> None:
        path = raw / file
        if path.suffix == ".csv":
            change(pl.read_csv(path, infer_schema=False)).write_csv(path)
        else:
            change(pl.read_parquet(path)).write_parquet(path)

    return spoil


def column(file: str, *values: pl.Expr) -> Spoil:
    """Return a change of one file's columns."""
    return table(file, lambda frame: frame.with_columns(*values))


def first_row(name: str, value: object) -> pl.Expr:
    """Return column ``name`` with another value in the first row."""
    return pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(value)).otherwise(name).alias(name)


def content(file: str, change: Callable[[bytes], bytes]) -> Spoil:
    """Return a change of one file's bytes."""

    def spoil(raw: Path, _: Config) -> None:
        (raw / file).write_bytes(change((raw / file).read_bytes()))

    return spoil


def removed(file: str) -> Spoil:
    """Return the removal of a file."""
    return lambda raw, _: (raw / file).unlink()


def setting(keys: str, value: object) -> Spoil:
    """Return a change of the configuration at ``a.b.c``."""

    def spoil(_: Path, config: Config) -> None:
        *parents, last = keys.split(".")
        for key in parents:
            config = config.setdefault(key, {})
        config[last] = value

    return spoil


def both(*spoils: Spoil) -> Spoil:
    """Return several changes as one."""

    def spoil(raw: Path, config: Config) -> None:
        for change in spoils:
            change(raw, config)

    return spoil


def images(change: Callable[[Path], object]) -> Spoil:
    """Return a change of every picture."""

    def spoil(raw: Path, _: Config) -> None:
        for path in sorted((raw / "images").iterdir()):
            change(path)

    return spoil


FILES = (
    BadInput("missing_file", removed(ITEMS), MissingDataError, "no such file", ITEMS),
    BadInput("missing_folder", setting("settings.path", "nowhere"), MissingDataError,
             "folder does not exist", "nowhere"),
    BadInput("empty_file", content(USERS, lambda _: b""), DataError, "empty", USERS),
    BadInput("header_only", table(ITEMS, lambda f: f.clear()), DataError, "no rows", ITEMS),
    BadInput("truncated_parquet", content(IMPRESSIONS, lambda b: b[: len(b) // 2]), DataError,
             "cut short or damaged", r"impressions.parquet \(\d+ bytes"),
    BadInput("csv_named_parquet", content(BEHAVIOURS, lambda _: b"user_id,item_id\n1,2\n"),
             DataError, "cut short or damaged", BEHAVIOURS),
    BadInput("not_utf8", content(ITEMS, lambda b: b.replace(b"Veltra", b"V\xeb\xebltra")),
             DataError, "not UTF-8: byte 0xeb", r"items.csv, line \d+"),
    BadInput("ragged_lines", content(USERS, lambda b: b + b"7,female,Arlen,25-34,9,9,9\n"),
             DataError, "cannot be read", USERS),
    BadInput("short_line", content(USERS, lambda b: b + b"7,female\n"), DataError,
             r"row \d+ has 2 cells, the header \d+", r"users.csv, row \d+: 7,female"),
    BadInput("open_quote", content(USERS, lambda b: b + b'7,"female\n'), DataError,
             "has a quote that does not end", r"users.csv, row \d+"),
    BadInput("too_many_dirty_rows", both(
        setting("settings.dirty_rows", {"policy": "drop", "max_share": 0.001}),
        column(IMPRESSIONS, pl.when(pl.int_range(pl.len()) % 10 > 0).then("timestamp"))),
             SchemaError, r"\(10 %\) are dirty: column timestamp is empty",
             "impressions.parquet, row 1, column timestamp"),
    BadInput("other_separator", content(ITEMS, lambda b: b.replace(b",", b";")), SchemaError,
             "no column 'item_id'", ITEMS),
    BadInput("missing_column", table(IMPRESSIONS, lambda f: f.rename({"timestamp": "time_s"})),
             SchemaError, "no column 'timestamp'", r"impressions\.timestamp"),
)  # fmt: skip

VALUES = (
    BadInput("wrong_type", column(ITEMS, first_row("price", "cheap")), SchemaError,
             "'cheap' of column 'price' is no number", "items.csv, row 1, column price"),
    BadInput("nan_price", column(ITEMS, first_row("price", "NaN")), SchemaError,
             "'price' is no finite number", "items.csv, row 1, column price"),
    BadInput("empty_item_id", column(ITEMS, first_row("item_id", None)), SchemaError,
             "'item_id' is empty", "items.csv, row 1, column item_id"),
    BadInput("text_in_ids", column(ITEMS, first_row("item_id", "A-17")), SchemaError,
             "'A-17' is no whole number", "items.csv, row 1, column item_id"),
    BadInput("null_user", column(IMPRESSIONS, first_row("user_id", None)), SchemaError,
             "'user_id' is empty", "impressions.parquet, row 1, column user_id"),
    BadInput("milliseconds", column(IMPRESSIONS, pl.col("timestamp") * 1000), SchemaError,
             "looks like ms: set time_unit: ms", "impressions.parquet, row 1, column timestamp"),
    BadInput("times_as_text", column(BEHAVIOURS, pl.lit("yesterday").alias("timestamp")),
             SchemaError, "'yesterday' of column 'timestamp'", "behaviours.parquet, row 1"),
    BadInput("time_zero", column(BEHAVIOURS, first_row("timestamp", 0)), SchemaError,
             "no time between 1990 and 2100", "behaviours.parquet, row 1, column timestamp"),
    BadInput("label_of_three_kinds", column(IMPRESSIONS, first_row("clicked", 2)), SchemaError,
             "2 of column 'clicked' is no label", "impressions.parquet, row 1, column clicked"),
    BadInput("label_as_word", column(IMPRESSIONS, pl.lit("maybe").alias("clicked")), SchemaError,
             "'maybe' of column 'clicked' is no label", "impressions.parquet, row 1"),
)  # fmt: skip

KEYS = (
    BadInput("duplicate_impressions", column(IMPRESSIONS, pl.lit(1).alias("impression_id")),
             SchemaError, "impression_id 1 of table 'impressions' occurs again",
             r"impressions.parquet, row 2.*first at .*row 1"),
    BadInput("duplicate_items", table(ITEMS, lambda f: pl.concat([f, f.head(1)])), SchemaError,
             r"item_id \d+ of table 'items' occurs again \(1 repeated", r"row 121.*row 1"),
    BadInput("duplicate_users", table(USERS, lambda f: pl.concat([f, f.head(2)])), SchemaError,
             "occurs again .2 repeated", r"users.csv, row 151"),
    BadInput("unknown_item_shown", column(IMPRESSIONS, first_row("item_id", 9)), SchemaError,
             r"item_id 9 of table 'impressions' has no row in items \(1", "row 1, column item_id"),
    BadInput("unknown_trigger", column(IMPRESSIONS, first_row("trigger_item_id", 9)), SchemaError,
             "trigger_item_id 9 of table 'impressions'", "row 1, column trigger_item_id"),
    BadInput("unknown_item_clicked", column(BEHAVIOURS, first_row("item_id", 9)), SchemaError,
             "item_id 9 of table 'behaviours'", "behaviours.parquet, row 1"),
    BadInput("unknown_user", column(BEHAVIOURS, first_row("user_id", 77_777)), SchemaError,
             "user_id 77777 of table 'behaviours' has no row in users", "row 1, column user_id"),
)  # fmt: skip

CONFIGURATION = (
    BadInput("typo_in_key", setting("settings.item_txt", ["title"]), ConfigError,
             "'item_txt' is no setting .did you mean 'item_text'", "generic"),
    BadInput("typo_in_examples", setting("examples.history_lenght", 50), ConfigError,
             "'examples.history_lenght' is no setting", "data_set.yaml"),
    BadInput("typo_in_column", setting("settings.item_fields", ["departmnt"]), SchemaError,
             "no column 'departmnt'. Did you mean 'department'", "items.csv"),
    BadInput("typo_in_mapping", setting("settings.impressions.columns.labl", "clicked"),
             ConfigError, "did you mean 'label'", "generic"),
    BadInput("unknown_adapter", setting("adapter", "generik"), UnknownNameError,
             "No data set is named 'generik'", ""),
    BadInput("impossible_value", setting("examples.history_length", -5), ConfigError,
             "examples.history_length = -5", "data_set.yaml"),
    BadInput("zero_share", setting("examples.split.ratio", [8, 2, 0]), ConfigError,
             "examples.split.ratio.2 = 0", "data_set.yaml"),
)  # fmt: skip

EXAMPLES = (
    BadInput("impossible_split", setting("examples.split", {"kind": "days", "test_days": 400}),
             SplitError, "The (train|valid) split is empty", "examples.split, kind days",
             "examples"),
    BadInput("no_triggers", column(IMPRESSIONS, pl.lit(None, pl.Int64).alias("trigger_item_id")),
             SchemaError, "None of the .* impressions has a trigger", "column trigger_item_id",
             "examples"),
    BadInput("one_user", both(column(IMPRESSIONS, pl.lit(1).alias("user_id")),
                              column(BEHAVIOURS, pl.lit(1).alias("user_id"))),
             SplitError, "are of 1 user", "column user_id", "examples"),
    BadInput("no_clicks", column(IMPRESSIONS, pl.lit(0).alias("clicked")), SplitError,
             "has no clicks", "examples.split", "examples"),
)  # fmt: skip

VALIDATION = (
    BadInput("all_positive", column(IMPRESSIONS, pl.lit(1).alias("clicked")),
             ValidationFailedError, "both clicked and not clicked.*Observed: values 1",
             "impressions.*label", "validate"),
    BadInput("future_times", column(IMPRESSIONS, first_row("timestamp", 4_000_000_000)),
             ValidationFailedError, "(?s)in the future.*1 at fault.*timestamp=4000000000",
             "impressions.*timestamp", "validate"),
    BadInput("label_leak", column(IMPRESSIONS, pl.col("clicked").alias("device")),
             ValidationFailedError, "(?s)AUC.*feature='impressions.device'", "impressions",
             "validate"),
    BadInput("broken_image", images(lambda path: path.write_bytes(path.read_bytes()[:40])),
             ValidationFailedError, "(?s)can be opened.*120 at fault.*image_path='1001.png'",
             "items.*image_path", "validate"),
    BadInput("missing_image", images(Path.unlink), ValidationFailedError,
             "image file can be opened.*120 of 120", "items.*image_path", "validate"),
    BadInput("empty_text",
             column(ITEMS, *(pl.lit(" ").alias(name) for name in ("title", "description"))),
             ValidationFailedError, "more than white space.*120 of 120", "items.*title",
             "validate"),
    BadInput("negative_price", column(ITEMS, first_row("price", "-3.5")), ValidationFailedError,
             "(?s)in its range.*price=-3.5", "items.*price", "validate"),
    BadInput("history_from_the_future", column(BEHAVIOURS, pl.col("timestamp") + 40 * 86_400),
             ValidationFailedError, "no event lies before the last impression",
             "behaviours.*timestamp", "validate"),
    BadInput("triggers_missing_mostly",
             column(IMPRESSIONS, pl.when(pl.int_range(pl.len()) < 3).then("trigger_item_id")),
             ValidationFailedError, "share of impressions with a trigger",
             "impressions.*trigger", "validate"),
)  # fmt: skip

CASES = FILES + VALUES + KEYS + CONFIGURATION + EXAMPLES + VALIDATION
