"""How well scores rank clicks: AUC, GAUC, log loss and the relative improvement over a base."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped
from numpy import ndarray

from models.errors import DataError


@dataclass(frozen=True, slots=True)
class GroupedAUC:
    """GAUC and what it was counted on.

    Attributes:
        value: Impression-weighted mean of the groups' AUC; nan if no group has both classes.
        groups_counted: Groups with a click and a non-click.
        groups_skipped: Groups with one class only, whose AUC does not exist.
        impressions_counted: Impressions of the counted groups.
    """

    value: float
    groups_counted: int
    groups_skipped: int
    impressions_counted: int


@dataclass(frozen=True, slots=True)
class GroupAUCs:
    """The AUC of every group.

    Attributes:
        groups: The distinct groups, ascending.
        codes: Index into ``groups`` of every example.
        impressions: Number of examples of each group.
        auc: AUC of each group; nan where it has one class only.
    """

    groups: Shaped[ndarray, " G"]
    codes: Int[ndarray, " N"]
    impressions: Int[ndarray, " G"]
    auc: Float[ndarray, " G"]

    def mean(self) -> GroupedAUC:
        """Return the impression-weighted mean over the groups with both classes."""
        counted = ~np.isnan(self.auc)
        impressions = self.impressions[counted]
        total = int(impressions.sum())
        value = float(impressions @ self.auc[counted]) / total if total else float("nan")
        number = int(counted.sum())
        return GroupedAUC(value, number, len(self.auc) - number, total)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Labels in ascending order of score: what an AUC with any weights needs, sorted once.

    Attributes:
        order: Positions of the examples in ascending order of score.
        positive: Whether the example at each place of that order is a click.
        starts: Where each run of equal scores begins in that order.
    """

    order: Int[ndarray, " N"]
    positive: Bool[ndarray, " N"]
    starts: Int[ndarray, " R"]

    def auc(self, sorted_weights: Shaped[ndarray, " N"]) -> float:
        """Return the AUC with weights given in ``order``; nan if one class has no weight."""
        positive = np.where(self.positive, sorted_weights, 0.0)
        negative = sorted_weights - positive
        if len(self.starts) < len(self.order):
            positive = np.add.reduceat(positive, self.starts)
            negative = np.add.reduceat(negative, self.starts)
        below = np.cumsum(negative)
        pairs = positive.sum() * (below[-1] if len(below) else 0.0)
        if not pairs > 0:
            return float("nan")
        return float(positive @ (below - 0.5 * negative)) / float(pairs)


def rank(labels: Shaped[ndarray, " N"], scores: Real[ndarray, " N"]) -> Ranking:
    """Return the ranking of ``scores``; raise `DataError` where labels or scores are unusable."""
    clicked = check_labels(labels)
    check_finite(scores, "scores")
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return Ranking(order=order, positive=clicked[order], starts=np.flatnonzero(first))


def auc(
    labels: Shaped[ndarray, " N"],
    scores: Real[ndarray, " N"],
    weights: Shaped[ndarray, " N"] | None = None,
) -> float:
    """Return the share of (click, non-click) pairs ranked rightly (DAIAN Eq. 22).

    A tie counts one half, which Eq. 22 leaves out: without it a constant score would have AUC 0.

    Args:
        labels: 0 or 1.
        scores: Any monotone function of the click probability.
        weights: Weight of each example, not negative; 1 if absent.

    Returns:
        A number in [0, 1], or nan where one class is absent.

    Raises:
        DataError: a label is not 0 or 1, or a score is not finite.
    """
    ranking = rank(labels, scores)
    ones = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    return ranking.auc(ones[ranking.order])


def roc_curve(
    labels: Shaped[ndarray, " N"], scores: Real[ndarray, " N"], points: int = 200
) -> tuple[Float[ndarray, " P"], Float[ndarray, " P"]]:
    """Return false and true positive rates from (0, 0) to (1, 1), thinned to about ``points``.

    Nan throughout where one class is absent.
    """
    ranking = rank(labels, scores)
    ends = np.append(ranking.starts, len(ranking.order))
    clicks = np.concatenate([[0], np.cumsum(ranking.positive)])[ends]
    others = ends - clicks
    if clicks[-1] == 0 or others[-1] == 0:
        return np.full(2, np.nan), np.full(2, np.nan)
    true_rate = ((clicks[-1] - clicks) / clicks[-1])[::-1]
    false_rate = ((others[-1] - others) / others[-1])[::-1]
    travelled = (true_rate + false_rate) / 2
    chosen = np.searchsorted(travelled, np.linspace(0, 1, points))
    chosen = np.unique(np.append(np.minimum(chosen, len(ends) - 1), (0, len(ends) - 1)))
    return false_rate[chosen], true_rate[chosen]


def group_aucs(
    labels: Shaped[ndarray, " N"], scores: Real[ndarray, " N"], groups: Shaped[ndarray, " N"]
) -> GroupAUCs:
    """Return the AUC of each group of examples; groups are users, as a rule."""
    clicked = check_labels(labels)
    check_finite(scores, "scores")
    names, codes = np.unique(groups, return_inverse=True)
    number = len(names)
    impressions = np.bincount(codes, minlength=number)
    if not len(codes):
        return GroupAUCs(names, codes, impressions, np.empty(0))
    order = np.lexsort((scores, codes))
    group, score = codes[order], scores[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (group[1:] != group[:-1]) | (score[1:] != score[:-1])
    starts = np.flatnonzero(first)
    positive = np.add.reduceat(clicked[order].astype(np.int64), starts)
    negative = np.diff(np.append(starts, len(order))) - positive
    run_group = group[starts]
    below = np.cumsum(negative) - negative
    below -= below[np.searchsorted(run_group, run_group)]  # non-clicks of earlier groups
    area = np.bincount(run_group, positive * (below + 0.5 * negative), minlength=number)
    clicks = np.bincount(codes, clicked, minlength=number)
    pairs = clicks * (impressions - clicks)
    values = np.divide(area, pairs, out=np.full(number, np.nan), where=pairs > 0)
    return GroupAUCs(names, codes, impressions, values)


def gauc(
    labels: Shaped[ndarray, " N"], scores: Real[ndarray, " N"], groups: Shaped[ndarray, " N"]
) -> GroupedAUC:
    """Return the impression-weighted mean AUC of the groups (DAIAN Eq. 23).

    Groups with one class only have no AUC: they are left out of both sums, and counted.

    Args:
        labels: 0 or 1.
        scores: Any monotone function of the click probability.
        groups: The user of each example, as integers or strings.

    Raises:
        DataError: a label is not 0 or 1, or a score is not finite.
    """
    return group_aucs(labels, scores, groups).mean()


def log_losses(
    labels: Shaped[ndarray, " N"], probabilities: Float[ndarray, " N"]
) -> Float[ndarray, " N"]:
    """Return the log loss of each example in nats; probabilities are clipped at 1e-7 and 1 - 1e-7.

    The clip is about the resolution of float32 near 1, so that one saturated score cannot make the
    mean infinite.
    """
    clicked = check_labels(labels)
    check_finite(probabilities, "probabilities")
    if len(probabilities) and (probabilities.min() < 0 or probabilities.max() > 1):
        raise DataError(
            f"Probabilities run from {probabilities.min()} to {probabilities.max()}.",
            allowed="0 to 1",
            do="Pass probabilities, not logits.",
        )
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.log(np.where(clicked, p, 1 - p))


def log_loss(labels: Shaped[ndarray, " N"], probabilities: Float[ndarray, " N"]) -> float:
    """Return the mean log loss in nats; nan without examples."""
    losses = log_losses(labels, probabilities)
    return float(losses.mean()) if len(losses) else float("nan")


def rela_impr(value: float, base: float) -> float:
    """Return the improvement of an AUC or GAUC over a base model's, in percent of its lead on 0.5.

    DAIAN Eq. 24 omits the -1 that its Table 1 has: (0.7024 - 0.5) / (0.6914 - 0.5) - 1 = 5.75 %.
    A base that does not beat 0.5 leaves nothing to compare with: nan.
    """
    if not base > 0.5:
        return float("nan")
    return ((value - 0.5) / (base - 0.5) - 1) * 100


def check_labels(labels: Shaped[ndarray, " N"]) -> Bool[ndarray, " N"]:
    """Return which labels are clicks; raise `DataError` where a label is neither 0 nor 1."""
    clicked = labels == 1
    wrong = ~clicked & (labels != 0)
    if wrong.any():
        raise DataError(
            f"{int(wrong.sum())} labels are neither 0 nor 1, the first is {labels[wrong][0]!r}.",
            where=f"row {int(np.flatnonzero(wrong)[0])}",
            allowed="0 or 1",
        )
    return clicked


def check_finite(values: Real[ndarray, " N"], name: str) -> None:
    """Raise `DataError` where one of ``values`` is nan or infinite."""
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise DataError(
            f"{int(wrong.sum())} of {len(values)} {name} are not finite.",
            where=f"row {int(np.flatnonzero(wrong)[0])}",
            allowed="finite numbers",
            do="Look for a diverged training: its history shows the epoch.",
        )
