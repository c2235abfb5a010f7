"""What an evaluation says in plain words: the sentences at the head of its page."""

from models.reports.blocks import number, percent, signed
from models.reports.page import Headline, Number, Tone
from models.reports.results import Difference, Evaluation, Rival

METRIC_NAMES = {
    "auc": "AUC",
    "gauc": "GAUC",
    "log_loss": "Log loss",
    "ece": "ECE",
    "normalised_entropy": "Normalised entropy",
}
METRIC_MEANINGS = {
    "auc": "share of pairs of a click and a non-click in the right order",
    "gauc": "the same within each user, weighted by impressions",
    "log_loss": "how surprising the clicks were, in nats; lower is better",
    "ece": "calibration error: mean gap of predicted and observed click rate",
    "normalised_entropy": "log loss over that of the bare click rate; lower is better",
}


def headline(evaluation: Evaluation) -> Headline:
    """Return the verdict: how the model does against the champion, else the base, else a coin."""
    rival = evaluation.champion or evaluation.base
    if rival is None:
        return Headline(_alone(evaluation), tuple(_details(evaluation)))
    sentences = [_alone(evaluation)]
    sentences += [_against(evaluation, other) for other in evaluation.rivals if other is not rival]
    tones: dict[int, Tone] = {1: "good", -1: "bad", 0: "mixed"}
    return Headline(
        _against(evaluation, rival),
        tuple([*sentences, *_details(evaluation)]),
        tones[outcome(rival.differences["auc"])],
    )


def outcome(difference: Difference, *, higher_is_better: bool = True) -> int:
    """Return 1 where the interval lies on the better side of 0, -1 on the worse, 0 across it."""
    if difference.low is None or difference.high is None:
        return 0
    side = int(difference.low > 0) - int(difference.high < 0)
    return side if higher_is_better else -side


def interval_words(low: Number | None, high: Number | None, *, sign: bool = False) -> str:
    """Return "95 % interval a to b", or nothing where there is none."""
    if low is None or high is None:
        return ""
    words = signed if sign else number
    return f"95\u202f% interval {words(low)} to {words(high)}"


def _against(evaluation: Evaluation, rival: Rival) -> str:
    difference = rival.differences["auc"]
    verb = {
        1: "ranks clicks better than",
        -1: "ranks clicks worse than",
        0: "cannot be told apart from",
    }[outcome(difference)]
    ours, theirs = evaluation.metrics["auc"].value, rival.metrics["auc"].value
    interval = interval_words(difference.low, difference.high, sign=True)
    known_as = f"the champion {rival.name}" if rival.role == "champion" else rival.name
    if rival.name == rival.role:
        known_as = f"the {rival.name}"
    return (
        f"{evaluation.model} {verb} {known_as}: AUC {number(ours)} against {number(theirs)}, "
        f"difference {signed(difference.value)}" + (f" ({interval})." if interval else ".")
    )


def _alone(evaluation: Evaluation) -> str:
    value = evaluation.metrics["auc"].value
    if value is None:
        return (
            f"All {evaluation.examples} examples have the same label: "
            f"no ranking of {evaluation.model} can be measured."
        )
    return (
        f"Of 100 pairs of a click and a non-click, {evaluation.model} puts {100 * value:.1f} "
        "in the right order."
    )


def _details(evaluation: Evaluation) -> list[str]:
    sentences = []
    gap = evaluation.metrics["ece"].value
    if gap is not None:
        sentences.append(
            f"Its predicted click rates are off by {100 * gap:.1f} percentage points on average, "
            f"where {percent(evaluation.clicks / evaluation.examples)} are clicked."
        )
    fit = evaluation.intent
    if fit is not None and fit.populations:
        parts = [
            f"{number(p.js, 3)} bits for {p.name} users "
            f"(the mean intent of everyone: {number(p.js_of_average, 3)})"
            for p in fit.populations
        ]
        sentences.append(
            f"Its predicted intent is off from the true one by {' and '.join(parts)}, "
            "in Jensen-Shannon divergence."
        )
    return sentences
