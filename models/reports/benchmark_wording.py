"""What a benchmark says in plain words: who is best, by how much, and whether that is luck."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from models.metrics.intervals import rank_sum_test
from models.reports.benchmark_results import BenchmarkResult, Row
from models.reports.blocks import number, signed
from models.reports.page import Headline, Tone
from models.reports.wording import METRIC_NAMES

LEVEL = 0.05  # DAIAN Table 1
Metric = Literal["auc", "gauc"]


def benchmark_headline(result: BenchmarkResult) -> Headline:
    """Return the verdict on AUC in a sentence, and GAUC, gains and gaps below it."""
    ranked = ranking(result, "auc")
    if not ranked:
        return Headline("Nothing can be said yet: no cell has finished.", _gaps(result), "bad")
    details = [] if len(ranked) == 1 else [_sentence(result, "gauc"), *_against(result)]
    details += [_over_base(result)] if result.main != result.base else []
    said = tuple(line for line in details if line)
    return Headline(_sentence(result, "auc"), (*said, *_gaps(result)), _tone(result, ranked))


def ranking(result: BenchmarkResult, metric: Metric) -> list[Row]:
    """Return the rows that have the metric, best first."""
    known = [row for row in result.rows if row.seeds and metric in row.mean]
    return sorted(known, key=lambda row: row.mean[metric], reverse=True)


def p_above(result: BenchmarkResult, better: Row, worse: Row, metric: Metric) -> float | None:
    """Return the one-sided p-value that ``better``'s values are above ``worse``'s.

    It is the result's own where the better one is the main variant; None with fewer than two seeds.
    """
    if better.variant == result.main:
        return worse.p.get(metric)
    values = [
        [v for c in result.cells if c.variant == row.variant
         if (v := c.metrics.get(metric)) is not None]
        for row in (better, worse)
    ]  # fmt: skip
    if min(map(len, values)) < 2:
        return None
    return rank_sum_test(*(np.array(v) for v in values))


def least_p(result: BenchmarkResult) -> float | None:
    """Return the least p-value that the numbers of seeds allow; None where there is none at all."""
    main = next((row.seeds for row in result.rows if row.variant == result.main), 0)
    others = [row.seeds for row in result.rows if row.variant != result.main]
    if main < 2 or max(others, default=0) < 2:
        return None
    return 1 / math.comb(main + max(others), main)


def p_words(p: float | None) -> str:
    """Return a p-value as shown to people."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else number(p, 3)


def _sentence(result: BenchmarkResult, metric: Metric) -> str:
    ranked, name = ranking(result, metric), METRIC_NAMES[metric]
    if not ranked:
        return ""
    best, value = ranked[0], number(ranked[0].mean[metric])
    over = f"over {best.seeds} seeds" if best.seeds > 1 else "with one seed"
    if len(ranked) == 1:
        return f"{best.variant} has {_article(metric)} {name} of {value} {over}; it has no rival."
    second = ranked[1]
    gap = best.mean[metric] - second.mean[metric]
    if gap == 0:
        return f"{best.variant} and {second.variant} are level in {name}: {value}."
    return (
        f"{best.variant} has the best {name}, {value}: {number(gap)} above {second.variant}, "
        f"{_luck(p_above(result, best, second, metric))}."
    )


def _article(metric: Metric) -> str:
    return "an" if metric == "auc" else "a"


def _luck(p: float | None) -> str:
    if p is None:
        return "and with fewer than two seeds each nobody knows whether that is luck"
    shown = p_words(p).replace("<", "< ") if p < 0.001 else f"= {p_words(p)}"
    if p < LEVEL:
        return f"which is more than the luck of the seeds (p {shown})"
    return f"which may be the luck of the seeds (p {shown})"


def _against(result: BenchmarkResult) -> Sequence[str]:
    """Return how many rivals the main variant beats beyond luck, for a grid of variants."""
    rivals = [row for row in result.rows if row.variant != result.main and row.seeds]
    tested = [row for row in rivals if row.p.get("auc") is not None]
    if result.sweep is not None or len(rivals) < 2 or not tested:
        return ()
    beaten = [r for r in tested if all((p := r.p.get(m)) is not None and p < LEVEL
                                       for m in ("auc", "gauc"))]  # fmt: skip
    rest = [row.variant for row in rivals if row not in beaten]
    if not rest:
        return (f"{result.main} is above all {len(rivals)} others in AUC and GAUC (p < {LEVEL}).",)
    return (
        f"{result.main} is above {len(beaten)} of {len(rivals)} others in both AUC and GAUC "
        f"(p < {LEVEL}); of {', '.join(rest)} that cannot be said.",
    )


def _over_base(result: BenchmarkResult) -> str:
    """Return RelaImpr of the main variant over the base."""
    main = next((row for row in result.rows if row.variant == result.main), None)
    known = {} if main is None else {m: v for m, v in main.rela_impr.items() if v is not None}
    parts = [f"{signed(v, 1)}\u202f% in {METRIC_NAMES[m]}" for m, v in known.items()]
    if not parts:
        return ""
    return f"RelaImpr of {result.main} over {result.base}: {' and '.join(parts)}."


def _gaps(result: BenchmarkResult) -> tuple[str, ...]:
    missing = len(result.incomplete)
    if not missing:
        return ()
    whole = missing + len(result.cells)
    verb = "is" if missing == 1 else "are"
    return (f"{missing} of {whole} cells {verb} missing, and named below.",)


def _tone(result: BenchmarkResult, ranked: Sequence[Row]) -> Tone:
    """Return "good" where the main variant is best beyond luck, and nothing is missing."""
    if len(ranked) < 2 or result.sweep is not None:
        return "plain"
    p = p_above(result, ranked[0], ranked[1], "auc")
    sure = ranked[0].variant == result.main and p is not None and p < LEVEL
    return "good" if sure and not result.incomplete else "mixed"
