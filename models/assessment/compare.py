"""Challenger against champion, on the same newest examples."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.assessment.predictions import Evidence, score_folder
from models.metrics.intervals import PairedDifference, paired_bootstrap, user_bootstrap
from models.reports.results import known
from models.reports.verdicts import MetricDifference

METRICS = ("auc", "gauc", "log_loss")


def compare_models(
    folders: Mapping[str, Path], champion: Path | None, *, bootstrap: int, seed: int
) -> tuple[MetricDifference, ...]:
    """Return each metric of the challenger, beside the champion's if there is one.

    Args:
        folders: The artifacts ``challenger``, ``examples`` and ``intents``.
        champion: The production model's folder; ``None`` before the first release.
        bootstrap: Resamples of the users behind each interval.
        seed: Seeds the resampling.
    """
    evidence = Evidence.open(folders)
    rows = evidence.store.rows("test")
    labels, users = evidence.store.label[rows], evidence.store.user[rows]
    ours = score_folder(folders["challenger"], evidence, rows)[1].probability
    own = {name: user_bootstrap(name, labels, ours, users, 0, seed).value for name in METRICS}
    if champion is None:
        return tuple(_difference(name, own[name]) for name in METRICS)
    theirs = score_folder(champion, evidence, rows)[1].probability
    pairs = paired_bootstrap(labels, ours, theirs, users, bootstrap, seed, metrics=METRICS)
    return tuple(
        _difference(
            name, own[name], user_bootstrap(name, labels, theirs, users, 0, seed).value, pairs[name]
        )
        for name in METRICS
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
