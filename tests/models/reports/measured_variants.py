"""A benchmark's result as one comes out: variants of known quality, drawn over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from models.metrics.intervals import rank_sum_test
from models.metrics.ranking import rela_impr
from models.reports.benchmark_results import BenchmarkResult, Cell, Row, Sweep, Value
from models.reports.results import GroupTable, IntentFit, PopulationIntent

QUALITY = {"DIN": 0.701, "DIHN": 0.706, "DIAN": 0.704, "DAIAN": 0.714}
GROUPS = {"0": (3781, 0.001), "1 to 2": (3655, 0.006), "3 to 4": (57, 0.011), "5 to 6": (4, 0.02)}
TRUE = {
    "specific": [0.03, 0.05, 0.08, 0.14, 0.25, 0.45],
    "broad": [0.3, 0.26, 0.19, 0.13, 0.08, 0.04],
}
STAGES = (("uim", 9), ("die", 1), ("joint", 6))


def make_benchmark(
    quality: Mapping[str, float] = QUALITY,
    seeds: int = 5,
    *,
    main: str = "DAIAN",
    base: str = "DIN",
    sweep: Sweep | None = None,
    incomplete: Sequence[str] = (),
) -> BenchmarkResult:
    """Return a result whose rows follow from its cells; main alone has intents and stages."""
    cells = [
        _cell(name, auc, seed, staged=name == main or sweep is not None)
        for name, auc in quality.items()
        for seed in range(1, seeds + 1)
    ]
    return BenchmarkResult(
        name="daian_table1",
        title="DAIAN and its rivals on the simulator",
        facts={"Commit": "0a1b2c3", "Data set": "simulator_1m", "Seeds": f"1 to {seeds}"},
        base=base,
        main=main,
        sweep=sweep,
        rows=[_row(name, cells, main, base) for name in quality],
        cells=cells,
        incomplete=[*incomplete],
    )


def make_sweep(seeds: int = 3) -> BenchmarkResult:
    """Return a sweep over the number of levels, given out of order."""
    values = [6.0, 2.0, 4.0, 10.0, 20.0]
    quality = {f"n = {n:g}": 0.714 - 0.004 * abs(math.log(n / 6)) for n in values}
    sweep = Sweep(key="levels", label="number of levels n", values=values, variants=[*quality])
    return make_benchmark(quality, seeds, main="n = 6", base="n = 2", sweep=sweep)


def _cell(name: str, auc: float, seed: int, *, staged: bool) -> Cell:
    random = np.random.default_rng([seed, *name.encode()])
    own = auc + 0.0012 * float(random.normal())
    slow = 2.4 if staged else 1.0
    return Cell(
        variant=name, seed=seed, key=f"{name}-{seed}", model=name.lower().split(" ")[0],
        metrics={"auc": own, "gauc": own - 0.03 + 0.001 * float(random.normal()),
                 "log_loss": 0.31 + (0.714 - own) / 3, "ece": 0.004, "normalised_entropy": 0.93},
        intent=_intent(random) if staged else None,
        groups=[_groups(name, auc, random)],
        history=_history(random) if staged else [],
        parameters=4_812_345, seconds=slow * (251 + 9 * random.random()),
        cpu_seconds=slow * 249.0, peak_bytes=int(slow * 9e8), score_seconds=slow * 1.31, threads=1,
    )  # fmt: skip


def _groups(name: str, auc: float, random: np.random.Generator) -> GroupTable:
    factor = (auc - 0.701) / 0.013
    return GroupTable(
        name="intent_diversity",
        title="By diversity of intent",
        about="",
        rows=[
            {"group": group, "users": users,
             "gauc": 0.66 + factor * gain + float(random.normal()) * 0.06 / math.sqrt(users)}
            for group, (users, gain) in GROUPS.items()
        ],
    )  # fmt: skip


def _intent(random: np.random.Generator) -> IntentFit:
    populations = []
    for name, true in TRUE.items():
        guess = np.array(true) * np.exp(random.normal(0, 0.12, len(true)))
        populations.append(
            PopulationIntent(
                name=name,
                users=4093,
                requests=5120,
                true=true,
                predicted=(guess / guess.sum()).tolist(),
                js=0.002 + 0.001 * float(random.random()),
                js_of_average=0.142,
            )
        )
    return IntentFit(
        levels=6, requests=10240, js=0.001, js_per_request=0.41, populations_known=True,
        populations=populations,
    )  # fmt: skip


def _history(random: np.random.Generator) -> list[dict[str, Value]]:
    rows: list[dict[str, Value]] = []
    shift = 0.01 * float(random.normal())
    for stage, epochs in STAGES:
        for epoch in range(epochs - int(random.integers(0, 2)) if epochs > 1 else 1):
            row: dict[str, Value] = {"stage": stage, "epoch": epoch}
            if stage == "uim":
                kl = 0.42 + shift + 0.5 * math.exp(-epoch / 2)
                row |= {"train/loss": kl - 0.02 * epoch, "valid/intent_kl": kl + 0.004 * epoch**1.5}
            else:
                start = 0.36 if stage == "die" else 0.33
                auc = 0.69 + 0.01 * epoch - 0.0016 * epoch**2 + shift / 10
                row |= {"train/loss": start - 0.008 * epoch + shift / 3, "valid/auc": auc,
                        "valid/log_loss": start + 0.25 - auc / 3 + shift / 3}  # fmt: skip
            rows.append(row)
    return rows


def _row(name: str, cells: Sequence[Cell], main: str, base: str) -> Row:
    own = _figures(cells, name)
    mean = {key: statistics.fmean(values) for key, values in own.items()}
    sd = {key: statistics.stdev(v) if len(v) > 1 else None for key, v in own.items()}
    against = {key: statistics.fmean(v) for key, v in _figures(cells, base).items()}
    best = _figures(cells, main)
    several = name != main and len(own["auc"]) > 1
    return Row(
        variant=name, model=name.lower().split(" ")[0], seeds=len(own["auc"]), mean=mean, sd=sd,
        rela_impr={m: rela_impr(mean[m], against[m]) for m in ("auc", "gauc")},
        p={m: rank_sum_test(np.array(best[m]), np.array(own[m])) if several else None
           for m in ("auc", "gauc")},
    )  # fmt: skip


def _figures(cells: Sequence[Cell], name: str) -> dict[str, list[float]]:
    own = [cell for cell in cells if cell.variant == name]
    kept = ("parameters", "seconds", "cpu_seconds", "peak_bytes", "score_seconds")
    metrics = {m: [float(c.metrics[m] or 0.0) for c in own] for m in own[0].metrics}
    return metrics | {key: [float(getattr(c, key)) for c in own] for key in kept}
