"""What is expected of the columns, keys and times of each table."""

import time
from pathlib import Path

from models.data.schema import TABLES, TableName, expected_columns
from models.data.tables import Tables
from steps.adapters import expectation_figures as figures
from steps.adapters.expectation_checks import Checklist

NOT_NULL = "expect_column_values_to_not_be_null"
UNIQUE = "expect_column_values_to_be_unique"
BETWEEN = "expect_column_values_to_be_between"
MATCH = "expect_column_values_to_match_regex"
ROW_COUNT = "expect_table_row_count_to_be_between"
SOME_TEXT = r"\S"
FILL = "Fill the column in the raw data, or drop the rows in the data set's adapter."
JOIN = "Add the missing rows to {home}, or drop the rows that name them."


def add_structure(checklist: Checklist, tables: Tables) -> None:
    """Add the checks of columns and types; the others make sense only where these pass."""
    for table in TABLES:
        columns = sorted(expected_columns(table, tables.spec))
        checklist.table_holds(
            f"{table}.columns",
            "",
            f"the table has the columns {', '.join(columns)}",
            "expect_table_columns_to_match_set",
            "Map the missing columns in the data set's file, or correct the names there.",
            column_set=columns,
            exact_match=False,
        )
        checklist.figure_holds(
            f"{table}.types",
            "",
            "every column has a type its kind allows",
            "Convert the columns in the data set's adapter.",
            lambda table=table: figures.wrong_types(tables, table),
            whole=True,
        )


def add_items(checklist: Checklist, tables: Tables, images_root: Path | None) -> None:
    """Add the checks of the item catalogue."""
    spec, items = tables.spec, tables.items
    _add_rows(checklist, "items", "items")
    _add_key(checklist, "items", "item_id")
    for column in spec.item_text:
        add_not_null(checklist, "items.text.not_null", column)
        words = "every text has more than white space"
        do = "Give these items a text, or leave the column out of the encoder's text."
        checklist.rows_hold("items.text.not_empty", column, words, MATCH, do, regex=SOME_TEXT)
    for column in spec.item_fields:
        add_not_null(checklist, "items.categorical.not_null", column)
    for column in spec.item_numeric:
        checklist.figure_holds(
            "items.numeric.finite",
            column,
            "no value is NaN or infinite",
            "Correct the values, or leave them empty where they are not known.",
            lambda column=column: figures.not_finite(items, column),
        )
        _add_range(checklist, column)
    if spec.has_images:
        _add_images(checklist, tables, images_root)


def add_users(checklist: Checklist, tables: Tables) -> None:
    """Add the checks of the users."""
    _add_rows(checklist, "users", "users")
    _add_key(checklist, "users", "user_id")
    for column in tables.spec.user_fields:
        add_not_null(checklist, "users.fields.not_null", column)


def add_impressions(checklist: Checklist, tables: Tables) -> None:
    """Add the checks of what was shown, to whom, when, and whether it was clicked."""
    _add_rows(checklist, "impressions", "impressions")
    _add_key(checklist, "impressions", "impression_id")
    _add_foreign_keys(checklist, tables, "impressions")
    _add_times(checklist, "impressions")
    checklist.table_holds(
        "impressions.user_id.active",
        "user_id",
        "enough different users",
        "expect_column_unique_value_count_to_be_between",
        "Take a longer or wider log: nothing can be learnt, or measured, of so few users.",
        min_value=checklist.config.check("impressions.user_id.active").min,
        max_value=None,
    )
    checklist.figure_holds(
        "impressions.timestamp.span",
        "timestamp",
        "seconds from the first to the last impression",
        "Take a longer log, or look at the unit of the timestamps.",
        lambda: figures.span(checklist.scope.whole.lazy("impressions")),
        whole=True,
    )
    for column in tables.spec.context_fields:
        add_not_null(checklist, "impressions.context.not_null", column)
    columns = ["user_id", "item_id", "timestamp"]
    _add_repeated(checklist, "impressions.repeated", columns)


def add_behaviours(checklist: Checklist, tables: Tables) -> None:
    """Add the checks of the events that make histories."""
    _add_rows(checklist, "behaviours", "events")
    _add_foreign_keys(checklist, tables, "behaviours")
    _add_times(checklist, "behaviours")
    checklist.figure_holds(
        "behaviours.timestamp.order",
        "timestamp",
        "1 if no event lies before the last impression, else 0",
        "Look at the unit and time zone of both tables' timestamps.",
        lambda: figures.out_of_order(checklist.scope.whole),
        whole=True,
    )
    words = "every kind has a name"
    checklist.rows_hold("behaviours.kind.not_empty", "kind", words, MATCH, FILL, regex=SOME_TEXT)
    _add_repeated(checklist, "behaviours.repeated", ["user_id", "item_id", "timestamp", "kind"])


def _add_rows(checklist: Checklist, table: str, noun: str) -> None:
    name = f"{table}.rows"
    bounds = checklist.config.check(name)
    do = "Look whether the file is whole and the filters of the data set's adapter are meant."
    checklist.table_holds(
        name, "", f"enough {noun}", ROW_COUNT, do, min_value=bounds.min, max_value=bounds.max
    )


def add_not_null(checklist: Checklist, name: str, column: str) -> None:
    """Add the check that ``column`` has no nulls."""
    checklist.rows_hold(name, column, "every value is filled in", NOT_NULL, FILL)


def _add_key(checklist: Checklist, table: str, column: str) -> None:
    add_not_null(checklist, f"{table}.{column}.not_null", column)
    do = "Remove the repeated rows, or correct their keys."
    checklist.rows_hold(
        f"{table}.{column}.unique", column, "every value stands in one row only", UNIQUE, do
    )


def _add_foreign_keys(checklist: Checklist, tables: Tables, table: TableName) -> None:
    homes = {"user_id": ("users", tables.users), "item_id": ("items", tables.items)}
    for column, (home, frame) in homes.items():
        add_not_null(checklist, f"{table}.{column}.not_null", column)
        checklist.figure_holds(
            f"{table}.{column}.known",
            column,
            f"every value stands in {home}",
            JOIN.format(home=home),
            lambda column=column, frame=frame: figures.unknown_keys(
                checklist.scope.whole.lazy(table), column, frame[column]
            ),
            whole=True,
        )


def _add_times(checklist: Checklist, table: str) -> None:
    bounds = checklist.config.check(f"{table}.timestamp.seconds")
    tolerance = checklist.config.check(f"{table}.timestamp.not_future").max or 0
    add_not_null(checklist, f"{table}.timestamp.not_null", "timestamp")
    checklist.rows_hold(
        f"{table}.timestamp.seconds",
        "timestamp",
        "every value is in UTC seconds, not milliseconds or days",
        BETWEEN,
        "Set the unit of the timestamps in the data set's file.",
        min_value=bounds.min,
        max_value=bounds.max,
    )
    checklist.rows_hold(
        f"{table}.timestamp.not_future",
        "timestamp",
        "no value lies in the future",
        BETWEEN,
        "Look at the unit and time zone of the timestamps, and at this machine's clock.",
        max_value=int(time.time() + tolerance),
    )


def _add_range(checklist: Checklist, column: str) -> None:
    bounds = checklist.config.check("items.numeric.range")
    checklist.rows_hold(
        "items.numeric.range",
        column,
        "every value is in its range",
        BETWEEN,
        "Correct the values, or widen min and max of items.numeric.range.",
        min_value=bounds.min,
        max_value=bounds.max,
    )


def _add_images(checklist: Checklist, tables: Tables, images_root: Path | None) -> None:
    add_not_null(checklist, "items.image_path.not_null", "image_path")
    found: list[figures.Figure] = []

    def measure() -> figures.Figure:
        if not found:
            found.append(figures.unreadable_images(tables.items, images_root, checklist.config))
        return found[0]

    do = "Replace the files, or leave image_path empty: the item is then read by its text."
    words = "every image file can be opened"
    for name in ("items.image_path.readable", "items.image_path.all_readable"):
        checklist.figure_holds(name, "image_path", words, do, measure)


def _add_repeated(checklist: Checklist, name: str, columns: list[str]) -> None:
    checklist.rows_hold(
        name,
        ", ".join(columns),
        "no row is repeated",
        "expect_compound_columns_to_be_unique",
        "Remove repeated rows when the log is read; a retried upload often makes them.",
        column_list=columns,
    )
