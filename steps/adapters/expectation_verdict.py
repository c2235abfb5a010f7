"""From what Great Expectations found to a verdict in plain words, with the rows at fault."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from models.data.tables import Tables
from models.reports.verdicts import DirtyReason, DirtySample
from steps.adapters.expectation_checks import NamedCheck, NamedVerdict, Planned
from steps.adapters.expectation_scope import SHOWN_ROWS, Scope

Judged = tuple[Planned, Mapping[str, Any]]
_SAFE_SECONDS = 10_000_000_000


def make_verdict(judged: Sequence[Judged], scope: Scope) -> NamedVerdict:
    """Return the verdict of checks, each paired with its validation result as JSON."""
    tables = scope.tables
    checks = tuple(_named_check(check, result, tables) for check, result in judged)
    failed = any(not check.passed and check.severity == "critical" for check in checks)
    return NamedVerdict(
        passed=not failed,
        checks=checks,
        rows=dict(scope.rows),
        note=scope.note(),
        dirty_rows=tuple(
            DirtyReason.model_validate(c.model_dump()) for c in tables.spec.dirty_rows
        ),
        dirty_samples=tuple(map(DirtySample.model_validate, tables.dirty_rows.to_dicts())),
    )


def allowed_words(check: Planned) -> str:
    """Return what would have been accepted, in words."""
    arguments = check.arguments
    if "value_set" in arguments:
        return "values " + ", ".join(map(str, arguments["value_set"]))
    if "column_set" in arguments:
        return "columns " + ", ".join(arguments["column_set"])
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if check.figure is not None and check.figure.checked:
        return f"{high:,} of {check.figure.checked:,} at fault" if high else "none at fault"
    moment = check.column == "timestamp" and check.figure is None
    if low is not None and high is not None:
        return f"{_bound(low, moment)} to {_bound(high, moment)}"
    if low is not None:
        return f"at least {_bound(low, moment)}"
    return f"at most {_bound(high, moment)}" if high is not None else check.words


def _bound(value: float, moment: bool) -> str:
    shown = f"{value:,.10g}" if not moment else f"{value:.0f}"
    if not moment or not 0 <= value < _SAFE_SECONDS:
        return shown
    return f"{shown} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC)"


def _named_check(check: Planned, result: Mapping[str, Any], tables: Tables) -> NamedCheck:
    count, rows = _offenders(check, result.get("result") or {}, tables)
    passed = bool(result["success"])
    return NamedCheck(
        name=check.name,
        table=check.table,
        column=check.column,
        expectation=check.words,
        severity="warning" if check.settings.severity == "warning" else "critical",
        passed=passed,
        observed=_observed(check, result, tables),
        unexpected_count=0 if passed else count,
        examples=() if passed else describe_rows(check, rows, tables),
        allowed=allowed_words(check),
        do=check.do,
    )


def _offenders(
    check: Planned, details: Mapping[str, Any], tables: Tables
) -> tuple[int, pl.DataFrame]:
    if check.figure is not None:
        return check.figure.count, check.figure.rows
    frame = tables.table(check.table)
    if check.kind == "expect_table_columns_to_match_set":
        missing = [name for name in check.arguments["column_set"] if name not in frame.columns]
        return len(missing), pl.DataFrame({"missing_column": missing})
    places = details.get("partial_unexpected_index_list") or []
    return int(details.get("unexpected_count") or 0), frame[places[:SHOWN_ROWS]]


def _observed(check: Planned, result: Mapping[str, Any], tables: Tables) -> str:
    details = result.get("result") or {}
    message = (result.get("exception_info") or {}).get("exception_message")
    if message:
        return f"could not be judged: {str(message).splitlines()[0]}"
    figure = check.figure
    if figure is not None:
        return f"{figure.count:,} of {figure.checked:,}" if figure.checked else _plain(figure.value)
    if "unexpected_count" in details:
        return f"{details['unexpected_count']:,} of {details['element_count']:,} rows"
    if check.kind == "expect_table_columns_to_match_set":
        return "columns " + ", ".join(tables.table(check.table).columns)
    if check.kind == "expect_column_distinct_values_to_contain_set":
        values = tables.table(check.table)[check.column].unique().sort().head(10)
        return "values " + ", ".join(map(str, values))
    return _plain(details.get("observed_value"))


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def describe_rows(check: Planned, rows: pl.DataFrame, tables: Tables) -> tuple[str, ...]:
    """Return up to five rows as texts: the column at fault, the row's keys, what was computed."""
    first = [name for name in check.column.split(", ") if name in rows.columns]
    keys = [name for name in _ROW_KEYS[check.table] if name in rows.columns]
    known = tables.table(check.table).columns
    computed = [name for name in rows.columns if name not in known]
    names = list(dict.fromkeys([*first, *computed, *keys]))
    return tuple(
        ", ".join(f"{name}={value!r}" for name, value in row.items())
        for row in rows.select(names).head(SHOWN_ROWS).iter_rows(named=True)
    )


_ROW_KEYS = {
    "items": ("item_id",),
    "users": ("user_id",),
    "impressions": ("impression_id", "user_id", "item_id", "timestamp", "label"),
    "behaviours": ("user_id", "item_id", "timestamp", "kind"),
}
