"""A check, before and after Great Expectations has judged it, and the list they are gathered in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.data.schema import TABLES, TableName
from models.reports.verdicts import Check, ValidationVerdict
from steps.adapters.expectation_scope import Figure, Scope, on_all_rows
from steps.adapters.expectation_settings import CheckSettings, ValidationConfig

_OF_ONE_ROW = "expect_column_max_to_be_between"  # of a figure: Data Docs then show the number


class NamedCheck(Check):
    """A judged check with its address in the configuration and its remedy."""

    name: str
    allowed: str = ""
    do: str = ""


class NamedVerdict(ValidationVerdict):
    """A verdict whose checks carry their names and remedies: what ``verdict.json`` holds."""

    checks: tuple[NamedCheck, ...] = ()  # type: ignore[assignment]


@dataclass(frozen=True)
class Planned:
    """A check that Great Expectations will judge.

    Attributes:
        name: Its address in the configuration.
        table: The canonical table it is about.
        column: The column it is about, "" for the whole table.
        words: What is expected, as a sentence.
        kind: The type of the expectation ("expect_column_values_to_be_unique").
        arguments: The expectation's arguments.
        do: What a user can do when it fails.
        settings: Severity and thresholds.
        figure: The computed number it bounds; None where the table itself is looked at.
    """

    name: str
    table: TableName
    column: str
    words: str
    kind: str
    arguments: Mapping[str, Any]
    do: str
    settings: CheckSettings
    figure: Figure | None = None


class Checklist:
    """Gathers the checks that are not skipped.

    Expectations on a table that is not held in memory become figures of all its rows, where they
    can; otherwise they are of the rows that are, and say so.

    Args:
        config: Severities and thresholds.
        scope: What is looked at.
    """

    def __init__(self, config: ValidationConfig, scope: Scope) -> None:
        self.config = config
        self.scope = scope
        self.checks: list[Planned] = []

    def rows_hold(
        self, name: str, column: str, words: str, kind: str, do: str, **arguments: Any
    ) -> None:
        """Add an expectation that every row, up to ``max_share``, must meet."""
        settings = self.config.check(name)
        allowance = {"mostly": 1 - settings.max_share} if settings.max_share else {}
        if "column_list" not in arguments:
            arguments["column"] = column
        words += share_words(settings.max_share)
        self._add(name, column, words, kind, do, {**arguments, **allowance})

    def table_holds(
        self, name: str, column: str, words: str, kind: str, do: str, **arguments: Any
    ) -> None:
        """Add an expectation on the table or on one number of a column."""
        if column:
            arguments["column"] = column
        self._add(name, column, words, kind, do, arguments)

    def figure_holds(
        self,
        name: str,
        column: str,
        words: str,
        do: str,
        measure: Callable[[], Figure],
        *,
        whole: bool = False,
    ) -> None:
        """Add a computed number that must lie in ``min`` … ``max``; a count, by ``max_share``.

        ``whole``: it was computed from all rows, even of a table not held in memory.
        """
        settings = self.config.check(name)
        if settings.severity == "skip":
            return
        figure = measure()
        if figure.checked:
            words += share_words(settings.max_share)
        words += "" if whole else self.scope.words(_table_of(name))
        bounds = {"min_value": settings.min, "max_value": settings.max}
        self._add(name, column, words, _OF_ONE_ROW, do, bounds, figure)

    def _add(
        self,
        name: str,
        column: str,
        words: str,
        kind: str,
        do: str,
        arguments: Mapping[str, Any],
        figure: Figure | None = None,
    ) -> None:
        settings, table = self.config.check(name), _table_of(name)
        if settings.severity == "skip":
            return
        if figure is None and self.scope.is_sampled(table):
            figure = on_all_rows(self.scope.whole.lazy(table), kind, arguments)
            kind = kind if figure is None else _OF_ONE_ROW
            words += (
                self.scope.words(table) if figure is None and "column_list" in arguments else ""
            )
        if figure is not None:
            arguments = _bounds(figure, settings, arguments)
            arguments = {**arguments, "column": figure_column(name, column)}
        if "max_value" in arguments and not _is_bounded(arguments):
            return
        self.checks.append(
            Planned(name, table, column, words, kind, arguments, do, settings, figure)
        )


def _bounds(
    figure: Figure, settings: CheckSettings, arguments: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return what a figure may be: a count of rows by their share, another number by itself."""
    if figure.checked:
        return {"max_value": int(settings.max_share * figure.checked)}
    return {name: arguments.get(name) for name in ("min_value", "max_value")}


def figure_column(name: str, column: str) -> str:
    """Return the column of a check in the one-row table of computed figures."""
    return name if not column or column in name else f"{name} [{column}]"


def _is_bounded(arguments: Mapping[str, Any]) -> bool:
    return any(arguments.get(name) is not None for name in ("min_value", "max_value"))


def _table_of(name: str) -> TableName:
    return next(table for table in TABLES if name.startswith(f"{table}."))


def share_words(max_share: float) -> str:
    """Return how many rows may fail, to end a sentence with."""
    return f" (up to {100 * max_share:g} % of rows may not)" if max_share else ""
