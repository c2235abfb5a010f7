"""Challenger against champion, on the same newest examples."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.artifacts import Scalar, read_manifest
from models.assessment.predictions import Evidence, score_folder
from models.files import write_text
from models.metrics.intervals import PairedDifference, paired_bootstrap, user_bootstrap
from models.reports.comparison_page import write_comparison_page
from models.reports.results import known
from models.reports.verdicts import Comparison, MetricDifference

METRICS = ("auc", "gauc", "log_loss")
COMPARISON_FILE = "comparison.json"


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
    labels, users = evidence.store.label[rows], evidence.store.user[rows]
    name, ours = score_folder(folders["challenger"], evidence, rows)
    own = {
        metric: user_bootstrap(metric, labels, ours.probability, users, 0, seed).value
        for metric in METRICS
    }
    version = read_manifest(folders["challenger"]).content_hash[:12]
    if champion is None:
        differences = tuple(_difference(metric, own[metric]) for metric in METRICS)
    else:
        theirs = score_folder(champion, evidence, rows)[1].probability
        pairs = paired_bootstrap(
            labels, ours.probability, theirs, users, bootstrap, seed, metrics=METRICS
        )
        differences = tuple(
            _difference(metric, own[metric], own[metric] - pairs[metric].value, pairs[metric])
            for metric in METRICS
        )
    return Comparison(
        promote=False,
        reasons=(),
        challenger=f"{name} {version}",
        champion=None if champion is None else read_manifest(champion).content_hash[:12],
        metrics=differences,
        examples=len(rows),
        users=len(np.unique(users)),
    )


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
