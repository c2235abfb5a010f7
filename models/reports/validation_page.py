"""The page of the validation gate: what was checked and what failed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.reports.blocks import (
    Tile,
    bullets,
    count,
    first,
    folded,
    heading,
    join,
    mark,
    table,
    text,
    tiles,
    write_page,
)
from models.reports.page import Headline, Html, Section, render_page
from models.reports.verdicts import (
    Check,
    ValidationVerdict,
)

_LONGEST_VALUE = 80


def write_validation_page(
    folder: Path,
    verdict: ValidationVerdict,
    *,
    facts: Mapping[str, object] | None = None,
    name: str = "validation.html",
) -> Path:
    """Write the page of a validation verdict into ``folder`` and return its path."""
    failed = [*verdict.critical, *verdict.warnings]
    sections = [Section("Rows", _row_tiles(verdict.rows), verdict.note)] if verdict.rows else []
    if verdict.dirty_rows:
        sections.append(
            Section(
                "Dirty rows",
                join(_dirty_reasons(verdict), _dirty_samples(verdict)),
                "Left out when the raw files were read, as dirty_rows of the data set's settings "
                "allows; a row counts once, by the first thing wrong with it.",
            )
        )
    if failed:
        sections.append(
            Section(
                "What failed",
                join(*map(_failure, failed)),
                "Critical checks stop the run before anything is computed from the data; "
                "warnings are listed and pass.",
            )
        )
    sections.append(
        Section("All checks", join(*(_checks_of(t, c) for t, c in _by_table(verdict.checks))))
    )
    html = render_page(
        "Are the data fit for use?",
        sections,
        verdict=_validation_headline(verdict),
        facts=facts,
        kicker="intentflow · validation",
    )
    return write_page(folder, name, html)


def _validation_headline(verdict: ValidationVerdict) -> Headline:
    total, warned = len(verdict.checks), len(verdict.warnings)
    warnings = f"{warned} warning{'s' * (warned != 1)}"
    if verdict.critical:
        number_failed = len(verdict.critical)
        words = f"{number_failed} critical check{'s' * (number_failed != 1)} failed"
        details = first([f"{_place(c)}: {c.expectation}" for c in verdict.critical], 5)
        return Headline(f"The data may not be used: {words} of {total}.", details, "bad")
    if warned:
        return Headline(
            f"The data may be used: no critical check of {total} failed, with {warnings}.",
            first([f"{_place(c)}: {c.expectation}" for c in verdict.warnings], 5),
            "mixed",
        )
    return Headline(f"The data may be used: all {total} checks passed.", tone="good")


def _place(check: Check) -> str:
    return f"{check.table}.{check.column}" if check.column else check.table


def _row_tiles(rows: Mapping[str, int]) -> Html:
    return tiles(
        Tile(name=name, value=count(value), meaning="rows") for name, value in rows.items()
    )


def _dirty_reasons(verdict: ValidationVerdict) -> Html:
    counted = sorted(verdict.dirty_rows, key=lambda reason: (reason.table, -reason.rows))
    rows = [
        [reason.table, reason.column or "whole line", reason.reason, count(reason.rows)]
        for reason in counted
    ]
    return table(["Table", "Column", "Reason", "Rows"], rows)


def _dirty_samples(verdict: ValidationVerdict) -> Html:
    rows = [
        [
            f"{sample.file}, row {sample.row:,}",
            sample.column or "whole line",
            sample.reason,
            _value(sample.value),
        ]
        for sample in verdict.dirty_samples
    ]
    if not rows:
        return Html()
    shown, all_rows = len(rows), sum(reason.rows for reason in verdict.dirty_rows)
    return folded(
        f"{shown:,} of the {all_rows:,} dirty rows",
        table(["Where", "Column", "Reason", "What stands there"], rows),
    )


def _value(value: str | None) -> str:
    if not value:
        return "(empty)"
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"


def _failure(check: Check) -> Html:
    tone = "bad" if check.severity == "critical" else "mixed"
    found = f"Observed: {check.observed}. " if check.observed else ""
    rows = f"{count(check.unexpected_count)} rows do not meet it." if check.unexpected_count else ""
    examples = [f"Offending: {example}" for example in check.examples[:5]]
    return join(
        heading(f"{_place(check)}: {check.expectation}"),
        Html(f"<p>{mark(check.severity, tone)}</p>"),
        text(f"{found}{rows}") if found or rows else Html(),
        bullets(examples) if examples else Html(),
    )


def _by_table(checks: Sequence[Check]) -> list[tuple[str, list[Check]]]:
    names = dict.fromkeys(check.table for check in checks)
    return [(name, [check for check in checks if check.table == name]) for name in names]


def _checks_of(name: str, checks: Sequence[Check]) -> Html:
    passed = sum(check.passed for check in checks)
    rows = [
        [
            mark("passed", "good")
            if check.passed
            else mark("failed", "bad" if check.severity == "critical" else "mixed"),
            check.column or "whole table",
            check.expectation,
            check.severity,
            check.observed or "–",
        ]
        for check in checks
    ]
    return folded(
        f"{name}: {passed} of {len(checks)} passed",
        table(["Result", "Column", "Expectation", "Severity", "Observed"], rows),
    )
