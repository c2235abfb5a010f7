"""Challenger against champion, on the same newest examples."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from models.artifacts import Scalar, read_manifest
from models.assessment.predictions import Evidence, evaluation_input, score_folder
from models.files import write_text
from models.metrics.calibration import expected_calibration_error
from models.metrics.intervals import PairedDifference, paired_bootstrap, user_bootstrap
from models.reports.breakdown import group_tables
from models.reports.comparison_page import write_comparison_page
from models.reports.inputs import EvaluationInput
from models.reports.results import known
from models.reports.verdicts import Comparison, GroupGain, MetricDifference, Observed

METRICS = ("auc", "gauc", "log_loss")
COMPARISON_FILE = "comparison.json"
Probabilities = Float[np.ndarray, " N"]


def compare_models(
    folders: Mapping[str, Path], champion: Path | None, *, bootstrap: int, seed: int
) -> Comparison:
    """Return each metric of the challenger, beside the champion's if there is another one.

    The gate has not decided yet: ``promote`` is false and there are no reasons.

    Args:
        folders: The artifacts ``challenger``, ``examples`` and ``intents``.
        champion: The production model's folder; ``None`` before the first release.
        bootstrap: Resamples of the users behind each interval.
        seed: Seeds the resampling.
    """
    evidence = Evidence.open(folders)
    rows = evidence.store.rows("test")
    name, ours = score_folder(folders["challenger"], evidence, rows)
    data = evaluation_input(evidence, rows, name, ours)
    theirs = None if champion is None else score_folder(champion, evidence, rows)[1].probability
    version = read_manifest(folders["challenger"]).content_hash[:12]
    return Comparison(
        promote=False,
        reasons=(),
        challenger=f"{name} {version}",
        champion=None if champion is None else read_manifest(champion).content_hash[:12],
        metrics=_differences(data, theirs, bootstrap, seed),
        examples=len(rows),
        users=len(np.unique(data.users)),
        observed=Observed(
            ece=known(expected_calibration_error(data.labels, data.probability)),
            champion_ece=None
            if theirs is None
            else known(expected_calibration_error(data.labels, theirs)),
            groups=() if theirs is None else group_gains(data, theirs, bootstrap, seed),
        ),
    )


def group_gains(
    data: EvaluationInput, champion: Probabilities, bootstrap: int, seed: int
) -> tuple[GroupGain, ...]:
    """Return what every group of impressions gains by the challenger, in GAUC.

    Args:
        data: The challenger's predictions beside what is known of the impressions.
        champion: The champion's predictions for them.
        bootstrap: Resamples of the users behind each interval.
        seed: Seeds the resampling.
    """
    gains = []
    for table in group_tables(data, champion, bootstrap, seed):
        for row in table.rows:
            ends = (row[key] for key in ("difference", "difference_low", "difference_high"))
            value, low, high = (None if end is None else float(end) for end in ends)
            group, number = f"{table.title.lower()}: {row['group']}", int(row["impressions"] or 0)
            gains.append(
                GroupGain(group=group, impressions=number, difference=value, low=low, high=high)
            )
    return tuple(gains)


def write_comparison(comparison: Comparison, folder: Path) -> dict[str, Scalar]:
    """Write comparison.json and comparison.html, and return what a summary shows."""
    write_text(folder / COMPARISON_FILE, comparison.model_dump_json(indent=1) + "\n")
    write_comparison_page(folder, comparison)
    gains: dict[str, Scalar] = {
        f"gain/{metric.metric}": metric.difference for metric in comparison.metrics
    }
    return {"promote": comparison.promote, "champion": comparison.champion, **gains}


def read_comparison(folder: Path) -> Comparison:
    """Return what `write_comparison` wrote."""
    return Comparison.model_validate_json((folder / COMPARISON_FILE).read_text(encoding="utf-8"))


def _differences(
    data: EvaluationInput, theirs: Probabilities | None, bootstrap: int, seed: int
) -> tuple[MetricDifference, ...]:
    labels, users = data.labels, data.users
    own = {
        metric: user_bootstrap(metric, labels, data.probability, users, 0, seed).value
        for metric in METRICS
    }
    if theirs is None:
        return tuple(_difference(metric, own[metric]) for metric in METRICS)
    pairs = paired_bootstrap(
        labels, data.probability, theirs, users, bootstrap, seed, metrics=METRICS
    )
    return tuple(
        _difference(metric, own[metric], own[metric] - pairs[metric].value, pairs[metric])
        for metric in METRICS
    )


def _difference(
    metric: str,
    challenger: float,
    champion: float = np.nan,
    pair: PairedDifference | None = None,
) -> MetricDifference:
    return MetricDifference(
        metric=metric,
        challenger=known(challenger),
        champion=known(champion),
        difference=None if pair is None else known(pair.value),
        low=None if pair is None else known(pair.low),
        high=None if pair is None else known(pair.high),
        p=None if pair is None else known(pair.p),
        higher_is_better=metric != "log_loss",
    )
