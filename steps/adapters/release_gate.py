"""The gate: rules that turn a comparison into a decision, each with its reason in numbers."""

from models.reports.evaluation import Evaluation
from models.reports.verdicts import Comparison, MetricDifference
from steps.adapters.release_config import GateConfig

Finding = tuple[bool, str]  # whether the rule is met, and why


def decide(comparison: Comparison, evaluation: Evaluation, config: GateConfig) -> Comparison:
    """Return ``comparison`` with the gate's decision and one reason for every rule.

    The guardrails (enough examples, discrimination, calibration) hold for every challenger. The
    first version has no champion to beat; later ones must win on the primary metric and must not
    lose on the others, by the ends of the paired bootstrap's 95 % intervals.

    Args:
        comparison: The metrics of challenger and champion on the same examples.
        evaluation: The challenger's evaluation on the test split.
        config: The rules.
    """
    findings = _guardrails(evaluation, config)
    if comparison.champion is None:
        findings.append((True, "No version is in production yet: there is no champion to beat."))
    else:
        findings += _against_champion(comparison, config)
    return comparison.model_copy(
        update={
            "promote": all(met for met, _ in findings),
            "reasons": tuple(reason for _, reason in findings),
        }
    )


def keep_itself(comparison: Comparison) -> Comparison:
    """Return the verdict on a challenger that is the model in production, bit for bit."""
    reason = "The challenger is the model in production already: nothing changed."
    return comparison.model_copy(update={"promote": False, "reasons": (reason,)})


def _guardrails(evaluation: Evaluation, config: GateConfig) -> list[Finding]:
    auc, ece = (_value(evaluation, name) for name in ("auc", "ece"))
    examples = evaluation.examples
    return [
        _finding(examples >= config.min_examples, f"{examples} test impressions",
                 f"at least {config.min_examples}"),
        _finding(auc is not None and auc >= config.min_auc, f"test AUC {_show(auc)}",
                 f"at least {config.min_auc:.4f}"),
        _finding(ece is not None and ece <= config.max_ece, f"calibration error {_show(ece)}",
                 f"at most {config.max_ece:.4f}"),
    ]  # fmt: skip


def _against_champion(comparison: Comparison, config: GateConfig) -> list[Finding]:
    metrics = {metric.metric: metric for metric in comparison.metrics}
    findings = [_gain(config.primary, metrics.get(config.primary), config.min_gain, "above")]
    for name, tolerance in config.tolerances.items():
        findings.append(_gain(name, metrics.get(name), -tolerance, "at least"))
    return findings


def _gain(name: str, metric: MetricDifference | None, bound: float, word: str) -> Finding:
    """Return whether the worse end of the gain's interval is past ``bound``."""
    if metric is None or metric.difference is None or metric.low is None or metric.high is None:
        return False, f"The gain in {name} is unknown; it must be {word} {bound:+.4f}."
    sign = 1 if metric.higher_is_better else -1
    ends = sorted((sign * metric.low, sign * metric.high))
    met = ends[0] > bound if word == "above" else ends[0] >= bound
    gain = f"{sign * metric.difference:+.4f}, 95 % interval {ends[0]:+.4f} to {ends[1]:+.4f}"
    return _finding(met, f"gain in {name} {gain}", f"its lower end {word} {bound:+.4f}")


def _finding(met: bool, observed: str, rule: str) -> Finding:
    return met, f"{'Met' if met else 'Not met'}: {observed} (rule: {rule})."


def _value(evaluation: Evaluation, name: str) -> float | None:
    estimate = evaluation.metrics.get(name)
    return None if estimate is None else estimate.value


def _show(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
