"""The gate: rules that turn a comparison into a decision, each with its reason in numbers."""

from collections.abc import Iterator

from models.reports.evaluation import Evaluation
from models.reports.verdicts import Comparison, GroupGain, MetricDifference, Observed, Rule
from steps.adapters.release_config import GateConfig, ReleaseConfig


def judge(comparison: Comparison, evaluation: Evaluation, config: ReleaseConfig) -> Comparison:
    """Return `decide`'s verdict, and what becomes of an approved challenger."""
    decided = decide(comparison, evaluation, config.gate)
    return decided.model_copy(update={"then": config.on_approval})


def decide(comparison: Comparison, evaluation: Evaluation, config: GateConfig) -> Comparison:
    """Return ``comparison`` with the gate's decision and one reason for every rule.

    The guardrails hold for every challenger. The first version has no champion to beat; later ones
    must win on the primary metric and must not lose on the others, by the ends of the paired
    bootstrap's 95 % intervals. A rule whose evidence is missing is not met.

    Args:
        comparison: The metrics of challenger and champion on the same examples, and what was
            observed besides.
        evaluation: The challenger's evaluation on the test split.
        config: The rules.
    """
    rules = [*_quality(evaluation, config)]
    if comparison.champion is None:
        told = "No version is in production yet: there is no champion to beat"
        rules.append(Rule(name="primary", met=True, observed=told, required=""))
    else:
        rules += _against_champion(comparison, config)
    rules += _serving(comparison, config)
    rules += _provenance(comparison.observed, config)
    return comparison.model_copy(
        update={
            "promote": all(rule.met for rule in rules),
            "rules": tuple(rules),
            "reasons": tuple(rule.sentence for rule in rules),
        }
    )


def keep_itself(comparison: Comparison) -> Comparison:
    """Return the verdict on a challenger that is the model in production, bit for bit."""
    reason = "The challenger is the model in production already: nothing changed."
    return comparison.model_copy(update={"promote": False, "reasons": (reason,)})


def _quality(evaluation: Evaluation, config: GateConfig) -> Iterator[Rule]:
    auc, ece = (_value(evaluation, name) for name in ("auc", "ece"))
    examples = evaluation.examples
    yield _rule("min_examples", examples >= config.min_examples, f"{examples} test impressions",
                f"at least {config.min_examples}")  # fmt: skip
    yield _rule("min_auc", auc is not None and auc >= config.min_auc, f"test AUC {_show(auc)}",
                f"at least {config.min_auc:.4f}")  # fmt: skip
    yield _at_most("max_ece", f"calibration error {_show(ece)}", ece, config.max_ece)


def _against_champion(comparison: Comparison, config: GateConfig) -> Iterator[Rule]:
    metrics = {metric.metric: metric for metric in comparison.metrics}
    primary = metrics.get(config.primary)
    yield _gain("primary", config.primary, primary, config.min_gain, "above")
    for name, tolerance in config.tolerances.items():
        yield _gain(f"tolerances.{name}", name, metrics.get(name), -tolerance, "at least")
    observed = comparison.observed
    if config.max_ece_rise is not None:
        ece, theirs = observed.ece, observed.champion_ece
        rise = None if ece is None or theirs is None else ece - theirs
        told = f"calibration error {_show(ece)} against {_show(theirs)}"
        yield _at_most("max_ece_rise", told, rise, config.max_ece_rise, "a rise of at most ")
    if config.max_group_loss is not None:
        yield _worst_group(observed, config.max_group_loss, config.min_group_impressions)


def _worst_group(observed: Observed, loss: float, least: int) -> Rule:
    """Return whether any group that is large enough loses too much for certain."""
    large = [g for g in observed.groups if g.impressions >= least and g.high is not None]
    name, required = "max_group_loss", f"its upper end at least {-loss:+.4f}"
    if not large:
        told = f"no group of impressions has {least} or more, so none is looked at"
        return Rule(name=name, met=True, observed=told, required=required)
    worst = min(large, key=_upper)
    told = (
        f"worst of {len(large)} groups, {worst.group} ({worst.impressions} impressions): gain in "
        f"gauc {_signed(worst.difference)}, 95 % interval {_signed(worst.low)} to "
        f"{_signed(worst.high)}"
    )
    return _rule(name, _upper(worst) >= -loss, told, required)


def _serving(comparison: Comparison, config: GateConfig) -> Iterator[Rule]:
    seen = comparison.observed
    told = f"95 % of {seen.latency_candidates} candidates' requests within {_ms(seen.latency_ms)}"
    if config.max_latency_ms is not None:
        limit = config.max_latency_ms
        yield _at_most("max_latency_ms", told, seen.latency_ms, limit, form="{:g} ms")
    if config.max_latency_ratio is not None and comparison.champion is not None:
        ours, theirs, limit = seen.latency_ms, seen.champion_latency_ms, config.max_latency_ratio
        ratio = None if ours is None or not theirs else ours / theirs
        against = f"{told}, the champion's within {_ms(theirs)}"
        yield _at_most("max_latency_ratio", against, ratio, limit, form="{:g} times the champion's")
    if config.max_size_mb is not None:
        size = "unknown" if seen.size_mb is None else f"{seen.size_mb:.2f} MB"
        limit = config.max_size_mb
        yield _at_most("max_size_mb", f"Bento of {size}", seen.size_mb, limit, form="{:g} MB")
    if config.parity is not None:
        parity = "unknown" if seen.parity is None else f"{seen.parity:.1e}"
        told = (
            f"largest difference between the packaged Bento and the trainer's scorer {parity} on "
            f"{seen.parity_examples} test impressions"
        )
        yield _at_most("parity", told, seen.parity, config.parity, form="{:g}")


def _provenance(seen: Observed, config: GateConfig) -> Iterator[Rule]:
    blocking = set(config.block_on_drift)
    if blocking:
        drifted = sorted(blocking & set(seen.drifted or ()))
        told = "drift was not looked at" if seen.drifted is None else _drift_words(seen.drifted)
        met = seen.drifted is not None and not drifted
        yield _rule("block_on_drift", met, told, f"no drift of {', '.join(sorted(blocking))}")
    if config.same_tokenizer:
        before, now = seen.champion_tokenizer, seen.tokenizer
        told = f"semantic IDs of the tokenizer {_hash(now)}, in use {_hash(before)}"
        met = now is not None and before in ("", now)
        yield _rule("same_tokenizer", met, told, "the tokenizer in use")


def _gain(rule: str, name: str, metric: MetricDifference | None, bound: float, word: str) -> Rule:
    """Return whether the worse end of the gain's interval is past ``bound``."""
    required = f"its lower end {word} {bound:+.4f}"
    if metric is None or metric.difference is None or metric.low is None or metric.high is None:
        return _rule(rule, False, f"the gain in {name} is unknown", required)
    sign = 1 if metric.higher_is_better else -1
    ends = sorted((sign * metric.low, sign * metric.high))
    met = ends[0] > bound if word == "above" else ends[0] >= bound
    gain = f"{sign * metric.difference:+.4f}, 95 % interval {ends[0]:+.4f} to {ends[1]:+.4f}"
    return _rule(rule, met, f"gain in {name} {gain}", required)


def _at_most(
    name: str,
    observed: str,
    value: float | None,
    limit: float,
    before: str = "at most ",
    form: str = "{:.4f}",
) -> Rule:
    met = value is not None and value <= limit
    return _rule(name, met, observed, before + form.format(limit))


def _rule(name: str, met: bool, observed: str, required: str) -> Rule:
    return Rule(name=name, met=met, observed=observed, required=required)


def _upper(group: GroupGain) -> float:
    return float("-inf") if group.high is None else group.high


def _value(evaluation: Evaluation, name: str) -> float | None:
    estimate = evaluation.metrics.get(name)
    return None if estimate is None else estimate.value


def _drift_words(drifted: tuple[str, ...]) -> str:
    return f"drift of {', '.join(drifted)}" if drifted else "no drift"


def _hash(tokenizer: str | None) -> str:
    return "unknown" if tokenizer is None else tokenizer[:12] or "none"


def _ms(value: float | None) -> str:
    return "an unknown time" if value is None else f"{value:.1f} ms"


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4f}"


def _show(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
