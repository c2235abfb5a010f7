"""Numbers computed from the tables for checks across rows, tables, files and time."""

import warnings
from pathlib import Path

import polars as pl

from models.data.example_settings import ExamplesConfig
from models.data.leakage import single_feature_aucs
from models.data.schema import TABLES, TableName, expected_columns
from models.data.tables import Tables, TableScan
from steps.adapters.expectation_scope import SHOWN_ROWS, Figure, faults
from steps.adapters.expectation_settings import ValidationConfig


def wrong_types(tables: Tables, table: TableName) -> Figure:
    """Return how many columns of ``table`` have a type that their kind does not allow."""
    frame = tables.table(table)
    wrong = [
        {"column": column, "type": str(frame.schema[column]), "expected": kind}
        for column, kind in expected_columns(table, tables.spec).items()
        if column in frame.columns and not fits(frame.schema[column], kind)
    ]
    return Figure(float(len(wrong)), len(wrong), pl.DataFrame(wrong), checked=frame.width)


def is_canonical(tables: Tables) -> bool:
    """Tell whether every column is there with a type that can be looked at."""
    names_there = all(
        set(expected_columns(table, tables.spec)) <= set(tables.table(table).columns)
        for table in TABLES
    )
    return names_there and not any(wrong_types(tables, table).count for table in TABLES)


def fits(dtype: pl.DataType, kind: str) -> bool:
    """Tell whether a column of ``dtype`` can be used as one of ``kind``."""
    if kind in {"id", "any id"}:
        return dtype in (pl.Int64, pl.String) or (kind == "any id" and dtype == pl.Null)
    if kind in {"integer", "label"}:
        return dtype.is_integer()
    if kind == "text":
        return dtype == pl.String
    if kind == "category":
        return dtype in (pl.String, pl.Boolean) or dtype.is_integer()
    return dtype.is_numeric()


def unknown_keys(rows: pl.LazyFrame, column: str, known: pl.Series) -> Figure:
    """Return how many rows name a key, not null, that is not in ``known``."""
    dtype = rows.collect_schema()[column]
    if dtype == pl.Null:
        return faults(rows, pl.lit(value=False))
    keys = known.cast(dtype, strict=False).unique().drop_nulls()
    return faults(rows, ~pl.col(column).is_in(keys.implode()))


def not_finite(frame: pl.DataFrame, column: str) -> Figure:
    """Return how many values are NaN or infinite; a null is a missing value, and allowed here."""
    if not frame.schema[column].is_float():
        return Figure(0.0, checked=frame.height)
    return _count(frame.filter(~pl.col(column).is_finite()), frame.height)


def divided_requests(impressions: pl.DataFrame) -> Figure:
    """Return how many requests have impressions of more than one user."""
    requests = (
        impressions.filter(pl.col("request_id").is_not_null())
        .group_by("request_id", maintain_order=True)
        .agg(pl.col("user_id").n_unique().alias("users"), pl.len().alias("impressions"))
    )
    return _count(requests.filter(pl.col("users") > 1), requests.height)


def span(impressions: pl.LazyFrame) -> Figure:
    """Return the seconds between the first and the last impression."""
    time = pl.col("timestamp").cast(pl.Int64)
    seconds = impressions.select(time.max() - time.min()).collect(engine="streaming").item()
    return Figure(float(seconds or 0))


def out_of_order(tables: Tables | TableScan) -> Figure:
    """Return 1 if no behaviour lies before the last impression, so that no history can fill."""
    time = pl.col("timestamp")
    last = tables.lazy("impressions").select(time.max()).collect(engine="streaming").item()
    events = tables.lazy("behaviours")
    if not events.filter(time < last).head(1).collect(engine="streaming").is_empty():
        return Figure(0.0)
    return Figure(1.0, 0, events.bottom_k(SHOWN_ROWS, by="timestamp").collect(engine="streaming"))


def unreadable_images(items: pl.DataFrame, root: Path | None, config: ValidationConfig) -> Figure:
    """Return how many image files, of a sample, cannot be opened; paths start at ``root``."""
    named = items.filter(pl.col("image_path").is_not_null())
    sample = named.sample(min(named.height, config.image_sample), seed=config.seed, shuffle=False)
    problems = [_image_problem((root or Path()) / path) for path in sample["image_path"]]
    wrong = sample.select("item_id", "image_path").with_columns(
        pl.Series("problem", problems, dtype=pl.String)
    )
    return _count(wrong.filter(pl.col("problem").is_not_null()), sample.height)


def _image_problem(path: Path) -> str | None:
    from PIL import Image

    if not path.is_file():
        return "no such file"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                image.draft("RGB", (64, 64))
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return str(error).replace(str(path), path.name)
    return None


def label_leak(tables: Tables, config: ValidationConfig) -> Figure:
    """Return the highest AUC that one feature alone reaches, and the features nearest to it."""
    aucs = single_feature_aucs(tables, max_rows=config.sample_rows, seed=config.seed)
    ranked = sorted(aucs.items(), key=lambda pair: -pair[1])[:SHOWN_ROWS]
    rows = pl.DataFrame(ranked, schema={"feature": pl.String, "auc": pl.Float64}, orient="row")
    return Figure(ranked[0][1] if ranked else 0.5, 0, rows.with_columns(pl.col("auc").round(4)))


def own_clicks_in_history(
    tables: Tables, examples: ExamplesConfig, config: ValidationConfig
) -> Figure:
    """Return how many clicks would stand in the history of their own impression.

    A history ends strictly before its impression, so that happens only when the click was logged
    earlier than what was clicked: clocks that differ, or impressions stamped when they ended. The
    event may lie up to ``max`` seconds before; an older one is an earlier click on the same item.
    """
    allowed_s = int(config.check("impressions.history.strictly_before").max or 0)
    if examples.history_days is not None:
        allowed_s = min(allowed_s, int(examples.history_days * 86_400))
    clicks = _sample(tables.impressions.filter(pl.col("label") == 1), config)
    events = tables.behaviours.select("user_id", "item_id", pl.col("timestamp").alias("event"))
    found = (
        clicks.join(events, on=["user_id", "item_id"], how="inner", maintain_order="left")
        .with_columns((pl.col("timestamp") - pl.col("event")).alias("seconds_early"))
        .filter(pl.col("seconds_early").is_between(1, allowed_s))
        .unique("impression_id", maintain_order=True)
    )
    return _count(found, clicks.height)


def history_coverage(tables: Tables, examples: ExamplesConfig, config: ValidationConfig) -> Figure:
    """Return the share of impressions with an event in their history window."""
    reach = None if examples.history_days is None else int(examples.history_days * 86_400)
    sample = _sample(tables.impressions, config)
    covered = _with_event_before(sample, tables.behaviours, reach)
    rows = sample.filter(~covered)
    return Figure(float(covered.mean() or 0.0), rows.height, rows.head(SHOWN_ROWS))  # type: ignore[arg-type]


def derived_triggers(tables: Tables, examples: ExamplesConfig, config: ValidationConfig) -> Figure:
    """Return the share of impressions with an event strictly before, within the trigger window."""
    sample = _sample(tables.impressions, config)
    covered = _with_event_before(sample, tables.behaviours, examples.trigger_window_s)
    rows = sample.filter(~covered)
    return Figure(float(covered.mean() or 0.0), rows.height, rows.head(SHOWN_ROWS))  # type: ignore[arg-type]


def logged_triggers(impressions: pl.LazyFrame) -> Figure:
    """Return the share of impressions whose trigger is logged."""
    found = faults(impressions, pl.col("trigger_item_id").is_null())
    return Figure(1 - found.count / max(found.checked, 1), found.count, found.rows)


def foreign_triggers(tables: Tables, config: ValidationConfig) -> Figure:
    """Return how many triggers their user has no event on before, or with, the impression."""
    impressions = tables.impressions
    sample = _sample(impressions.filter(pl.col("trigger_item_id").is_not_null()), config)
    first = tables.behaviours.group_by("user_id", "item_id").agg(
        pl.col("timestamp").min().alias("first_event")
    )
    joined = sample.join(
        first,
        left_on=["user_id", "trigger_item_id"],
        right_on=["user_id", "item_id"],
        how="left",
        maintain_order="left",
    )
    wrong = joined.filter((pl.col("first_event") <= pl.col("timestamp")).fill_null(False).not_())
    return _count(wrong, sample.height)


def _with_event_before(
    impressions: pl.DataFrame, behaviours: pl.DataFrame, reach_s: int | None
) -> pl.Series:
    """Tell for each impression whether its user has an event in the ``reach_s`` seconds before."""
    left = impressions.select("user_id", "timestamp").with_row_index("row").sort("timestamp")
    right = behaviours.select("user_id", "timestamp", pl.col("timestamp").alias("event"))
    joined = left.join_asof(
        right.sort("timestamp"),
        on="timestamp",
        by="user_id",
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    ).sort("row")
    gap = joined["timestamp"] - joined["event"]
    return gap.is_not_null() if reach_s is None else (gap <= reach_s).fill_null(False)


def _sample(frame: pl.DataFrame, config: ValidationConfig) -> pl.DataFrame:
    if frame.height <= config.sample_rows:
        return frame
    return frame.sample(config.sample_rows, seed=config.seed)


def _count(wrong: pl.DataFrame, checked: int) -> Figure:
    return Figure(float(wrong.height), wrong.height, wrong.head(SHOWN_ROWS), max(checked, 1))
