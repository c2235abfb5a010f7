"""How far two windows of the same distribution lie apart by chance: where drift begins.

Learnt from A/A pairs: windows of the sizes at hand, redrawn from the reference. What was learnt is
kept in a file, and used again while reference, sizes and settings stay what they were.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import ValidationError
from scipy import stats

from models.assessment.drift_reference import Measured, Reference
from models.assessment.drift_settings import DriftSettings
from models.files import write_text
from models.metrics.drift import DISTANCES
from models.settings import Settings, digest

SIZE_STEP = 1.1
VERSION = 1
SIGNED = {"Fall of AUC", "Rise of normalised entropy"}
SUMMED = {"Mean change of the calibration gap"}


class Thresholds(Settings):
    """What windows like these seldom exceed by chance: the content of ``thresholds.json``.

    Attributes:
        reference_hash: Hash of the reference's sums.
        reference_rows: Rows of the reference.
        current_rows: Rows of the current window, rounded down to a step of 10 %: a window slightly
            larger is held to the slightly wider noise of this size.
        settings: Hash of the settings that matter.
        false_alarm: Chance at which a single column exceeds its threshold.
        resamples: A/A pairs drawn.
        noise: The threshold of each column.
    """

    version: int = VERSION
    reference_hash: str
    reference_rows: int
    current_rows: int
    settings: str
    false_alarm: float
    resamples: int
    noise: dict[str, float]

    @property
    def key(self) -> str:
        """What the file is found by."""
        return digest(self.model_dump(exclude={"noise"}))[:16]


def learn_thresholds(
    reference: Reference, current_rows: float, settings: DriftSettings, store: Path | None = None
) -> tuple[Thresholds, bool]:
    """Return the thresholds, and whether they are those that an earlier run stored.

    The false alarms a run may give are divided among its columns (Bonferroni).

    Args:
        reference: The reference, measured.
        current_rows: Rows of the current window, fewer if its users bring more rows each.
        settings: False alarms, resamples and seed.
        store: Folder of the stored thresholds; None keeps none.
    """
    rows = rounded_down(current_rows)
    wanted = Thresholds(
        reference_hash=reference.data_hash,
        reference_rows=reference.rows,
        current_rows=rows,
        settings=digest([settings.seed]),
        false_alarm=settings.false_alarms / max(len(reference.measured), 1),
        resamples=settings.resamples,
        noise={},
    )
    path = None if store is None else store / f"{wanted.key}.json"
    kept = None if path is None else _stored(path, wanted, reference)
    if kept is not None:
        return kept, True
    learnt = wanted.model_copy(update={"noise": _noise(reference, rows, wanted, settings.seed)})
    if path is not None:
        write_text(path, learnt.model_dump_json(indent=2) + "\n")
    return learnt, False


def rounded_down(rows: float) -> int:
    """Return the next lower size of a series that grows by 10 % a step."""
    if rows <= 1:
        return 1
    return math.floor(SIZE_STEP ** math.floor(math.log(rows, SIZE_STEP) + 1e-9) + 1e-9)


def _stored(path: Path, wanted: Thresholds, reference: Reference) -> Thresholds | None:
    """Return the thresholds in ``path`` if they are whole and for these windows."""
    try:
        found = Thresholds.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    names = {one.yardstick.name for one in reference.measured}
    same = found.key == wanted.key and set(found.noise) == names
    return found if same else None


def _noise(
    reference: Reference, current_rows: int, wanted: Thresholds, seed: int
) -> Mapping[str, float]:
    generator = np.random.default_rng(seed)
    right = max(1, round(reference.clusters * current_rows / reference.rows))
    draws: dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]] = {}
    noise = {}
    for one in reference.measured:
        kind = (len(one.sums), one.exclusive)
        if kind not in draws:
            draws[kind] = _draws(*kind, right, wanted.resamples, generator)
        noise[one.yardstick.name] = _threshold(one, *draws[kind], wanted.false_alarm)
    return noise


def _draws(
    clusters: int, exclusive: bool, right: int, resamples: int, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "R G"], Float[np.ndarray, "R G"]]:
    """Return how often each cluster is in either window of each A/A pair."""
    if exclusive:
        share = min(0.5, right / max(clusters, 1))
        place = generator.random((resamples, clusters))
        return (place < 0.5).astype(np.float32), (place > 1 - share).astype(np.float32)
    return _with_replacement(clusters, clusters, resamples, generator), _with_replacement(
        clusters, right, resamples, generator
    )


def _with_replacement(
    clusters: int, number: int, resamples: int, generator: np.random.Generator
) -> Float[np.ndarray, "R G"]:
    drawn = generator.integers(0, clusters, (resamples, number))
    cells = drawn + clusters * np.arange(resamples)[:, None]
    counts = np.bincount(cells.ravel(), minlength=resamples * clusters)
    return counts.reshape(resamples, clusters).astype(np.float32)


def _threshold(
    one: Measured,
    left: Float[np.ndarray, "R G"],
    right: Float[np.ndarray, "R G"],
    false_alarm: float,
) -> float:
    """Return the distance that A/A pairs exceed with chance ``false_alarm``.

    Squares of Jensen–Shannon and kernel distances are close to scaled chi-squares, so their far
    tail is read off the gamma distribution of the same mean and variance; differences of a metric
    are close to normal. Where the pairs themselves reach further, their own quantile counts.
    """
    sums = one.sums.astype(np.float32)
    method = one.yardstick.method
    values = DISTANCES[method]((left @ sums).astype(float), (right @ sums).astype(float))
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    seen = float(np.quantile(values, 1 - max(false_alarm, 1 / len(values))))
    if method in SIGNED:
        return max(seen, float(values.std() * stats.norm.ppf(1 - false_alarm)))
    power = 1 if method in SUMMED else 2
    mean, variance = float((values**power).mean()), float((values**power).var())
    if mean <= 0 or variance <= 0:
        return seen
    tail = stats.gamma.ppf(1 - false_alarm, mean**2 / variance, scale=variance / mean)
    return max(seen, float(tail ** (1 / power)))
