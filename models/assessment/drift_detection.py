"""Whether a current window differs from a reference window, and in what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from models.assessment.drift_examples import examples_of
from models.assessment.drift_noise import Thresholds, learn_thresholds
from models.assessment.drift_reference import Measured, Reference, measure_reference
from models.assessment.drift_settings import DriftSettings
from models.assessment.drift_window import Window
from models.assessment.drift_words import Compared, in_words, share_changes, told
from models.errors import SchemaError
from models.metrics.drift import DISTANCES
from models.reports.drift_results import (
    DRIFT_GROUPS,
    Change,
    DriftGroup,
    DriftVerdict,
    GroupVerdict,
    relative,
)
from models.reports.verdicts import DriftColumn

_EXPLAINED = 12  # columns whose examples are shown


@dataclass(frozen=True)
class Detection:
    """What was found.

    Attributes:
        verdict: For programs.
        changes: For people: every column, furthest first.
        compared: The same with their sums, in the same order.
        thresholds: What was allowed, as stored; None where nothing was compared.
    """

    verdict: DriftVerdict
    changes: tuple[Change, ...] = ()
    compared: tuple[Compared, ...] = ()
    thresholds: Thresholds | None = None


def detect(
    reference: Window, current: Window, settings: DriftSettings, store: Path | None = None
) -> Detection:
    """Return the verdict on ``current`` and the changes behind it.

    Args:
        reference: The older window.
        current: The newer window, with the same columns.
        settings: What to compare and what is worth an alarm.
        store: Folder where thresholds are kept between runs; None keeps none.

    Raises:
        SchemaError: the windows have different columns.
    """
    _check_same_columns(reference.rows, current.rows)
    whole = reference.rows.height, current.rows.height
    if min(whole) < settings.min_rows:
        return Detection(_too_small(whole, settings.min_rows))
    reference, current = (
        side.sample(settings.sample_rows, settings.seed) for side in (reference, current)
    )
    measured = measure_reference(reference, current.rows.height, settings)
    rows = effective_rows(reference.rows, current.rows, settings.unit)
    thresholds, reused = learn_thresholds(measured, rows, settings, store)
    compared = _compare(measured, thresholds, reference, current, settings)
    return _concluded(compared, (reference, current), settings, whole, (thresholds, reused))


def effective_rows(reference: pl.DataFrame, current: pl.DataFrame, unit: str | None) -> float:
    """Return how many rows of users like the reference's say as much as the current window.

    Where users bring more rows each than in the reference, the window holds fewer users than its
    rows suggest (Kish, Survey Sampling, 1965, 5.4: by the mean number of rows weighted by itself).
    The busiest hundredth of the users is left out: one robot shall not make every threshold wide.
    """
    if unit is None or unit not in reference.columns:
        return float(current.height)
    weighted = [_rows_per_unit(side[unit]) for side in (reference, current)]
    return current.height * min(1.0, weighted[0] / weighted[1])


def _rows_per_unit(units: pl.Series) -> float:
    rows = np.sort(units.value_counts(name="rows")["rows"].to_numpy().astype(np.float64))
    rest = rows[: -max(1, round(len(rows) / 100))] if len(rows) > 1 else rows
    return float((rest**2).sum() / rest.sum())


def _check_same_columns(reference: pl.DataFrame, current: pl.DataFrame) -> None:
    different = sorted(set(reference.columns) ^ set(current.columns))
    if different:
        raise SchemaError(
            f"The two windows differ in their columns: {', '.join(different)}.",
            where="the windows of the drift report",
            allowed="the same columns in both",
            do="Build both windows by the same code and from the same data set.",
        )


def _compare(
    reference: Reference,
    thresholds: Thresholds,
    before: Window,
    now: Window,
    settings: DriftSettings,
) -> list[Compared]:
    """Return every column with its distance, furthest first."""
    owner = np.zeros(now.rows.height, np.int64)
    found = []
    for one in reference.measured:
        left, right = one.sums.sum(axis=0), one.yardstick.sums(now, owner, 1)[0]
        column = _column(one, left, right, thresholds, settings)
        compared = Compared(column, one.yardstick, left, right)
        words = in_words(compared, before, now)
        told_of = column.model_copy(update={"reference": words[0], "current": words[1]})
        found.append(replace(compared, column=told_of))
    return sorted(found, key=lambda one: relative(one.column), reverse=True)


def _column(
    one: Measured,
    left: Float[np.ndarray, " K"],
    right: Float[np.ndarray, " K"],
    thresholds: Thresholds,
    settings: DriftSettings,
) -> DriftColumn:
    stick = one.yardstick
    value = float(DISTANCES[stick.method](left, right)) if right.any() else float("nan")
    effect = settings.effect(stick.name, stick.group, many_values=one.many)
    threshold = max(thresholds.noise[stick.name], effect)
    return DriftColumn(
        name=stick.name,
        group=stick.group,
        method=stick.method,
        statistic=value if np.isfinite(value) else None,
        threshold=threshold,
        drifted=bool(value > threshold),
    )


def _too_small(sizes: tuple[int, int], least: int) -> DriftVerdict:
    reason = f"Not enough rows to compare: {least} are needed in each window."
    return DriftVerdict(
        drifted=False,
        reasons=(reason,),
        summary=reason,
        reference_rows=sizes[0],
        current_rows=sizes[1],
    )


def _concluded(
    compared: Sequence[Compared],
    windows: tuple[Window, Window],
    settings: DriftSettings,
    sizes: tuple[int, int],
    allowed: tuple[Thresholds, bool],
) -> Detection:
    changes = []
    for place, one in enumerate(compared):
        explained = one.column.drifted and place < _EXPLAINED
        examples = tuple(examples_of(one, *windows, settings)) if explained else ()
        changes.append(Change(one.column, told(one, *windows), share_changes(one), examples))
    groups: dict[DriftGroup, GroupVerdict] = {}
    for group in DRIFT_GROUPS:
        verdict = _group(group, changes)
        if verdict is not None:
            groups[group] = verdict
    reasons = tuple(change.sentence for change in changes if change.column.drifted)
    verdict = DriftVerdict(
        drifted=bool(reasons),
        columns=tuple(change.column for change in changes),
        reasons=reasons,
        groups=groups,
        summary=_summary(groups, reasons, len(changes)),
        thresholds_reused=allowed[1],
        reference_rows=sizes[0],
        current_rows=sizes[1],
    )
    return Detection(verdict, tuple(changes), tuple(compared), allowed[0])


def _group(group: DriftGroup, changes: Sequence[Change]) -> GroupVerdict | None:
    own = [change for change in changes if change.column.group == group]
    if not own:
        return None
    drifted = [change for change in own if change.column.drifted]
    furthest, words = own[0].column, own[0].sentence
    if not drifted:
        share = f"{100 * relative(furthest):.0f} % of what is allowed"
        words = f"Nothing past its threshold; {furthest.name} came closest, at {share}."
    elif len(drifted) > 1:
        words += f" Further past their thresholds: {_listed(drifted[1:])}."
    return GroupVerdict(
        drifted=bool(drifted),
        statistic=furthest.statistic,
        threshold=furthest.threshold,
        columns=tuple(change.column.name for change in drifted),
        sentence=words,
    )


def _listed(changes: Sequence[Change]) -> str:
    names = [change.column.name for change in changes[:4]]
    more = [f"{len(changes) - 4} more"] if len(changes) > 4 else []
    return ", ".join(names + more)


def _summary(groups: dict[DriftGroup, GroupVerdict], reasons: Sequence[str], columns: int) -> str:
    if not reasons:
        return f"No drift: all {columns} things compared are within their thresholds."
    drifted = [(group, found.relative) for group, found in groups.items() if found.drifted]
    moved = sorted(drifted, key=lambda pair: pair[1], reverse=True)
    names = ", ".join(group.replace("semantic_ids", "semantic IDs") for group, _ in moved)
    return f"The newest window has drifted in {names}. {reasons[0]}"
