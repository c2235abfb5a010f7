"""The figures of a benchmark about intent: its fit (DAIAN Figure 5) and who gains (Figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.reports.benchmark_figures import cells_of, over_seeds, spread_words
from models.reports.benchmark_results import BenchmarkResult, Cell
from models.reports.blocks import count, figure, figures, join, number, signed, table, text
from models.reports.charts import intent_chart, legend
from models.reports.page import Html, Section
from models.reports.results import IntentFit, PopulationIntent
from models.reports.seed_charts import Measured, gain_chart

DIVERSITY = "intent_diversity"
FEW_USERS = 30  # GAUC of fewer says next to nothing


@dataclass(frozen=True, slots=True)
class MeanIntent:
    """A population's intents, the mean over seeds.

    Attributes:
        population: Means of everything that differs from seed to seed.
        spread: Standard deviation of the predicted share at each level; empty with one seed.
        sd: Standard deviation of the divergence; None with one seed.
        seeds: Number of seeds.
    """

    population: PopulationIntent
    spread: list[float]
    sd: float | None
    seeds: int


@dataclass(frozen=True, slots=True)
class Gain:
    """How much higher a group's GAUC is with the main variant than with the base.

    Attributes:
        group: Name of the group.
        users: Users of the test split in it.
        ours: Seed → GAUC of main.
        theirs: Seed → GAUC of base, for the same seeds.
    """

    group: str
    users: int
    ours: dict[int, float]
    theirs: dict[int, float]

    @property
    def by_seed(self) -> dict[int, float]:
        """Seed → GAUC of main less that of base, both trained with that seed."""
        return {seed: gauc - self.theirs[seed] for seed, gauc in self.ours.items()}

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return over_seeds([*self.by_seed.values()])[0]

    @property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds."""
        return over_seeds([*self.by_seed.values()])[1]


def intent_section(result: BenchmarkResult) -> Section | None:
    """Return true and predicted intent of the main variant; None if it predicts none."""
    fits = _fits(cells_of(result, result.main))
    means = mean_intents(fits)
    if not means:
        return None
    top = 1.1 * max(v for m in means for v in _reach(m))
    keys = legend([("true intent", "fill-truth"), ("predicted intent", "model")])
    charts = [_intent_figure(mean, join(keys, intent_chart(mean.population, top, mean.spread)))
              for mean in means]  # fmt: skip
    origin = (
        "The populations are the data set's own."
        if fits[0].populations_known
        else "The data set names no populations: users were split at the median of how close to "
        "the trigger they click, so some distance is due to the split alone."
    )
    return Section(
        "Predicted and true intent",
        join(figures(charts), _divergences(result), text(origin, "note")),
        f"What users click after a trigger, by how similar it is to the trigger, and what "
        f"{result.main} expected before they clicked: the mean over seeds, with one standard "
        "deviation shaded (DAIAN, Figure 5).",
    )


def diversity_section(result: BenchmarkResult) -> Section | None:
    """Return the gain in GAUC by the users' diversity of intent; None where it is not known."""
    gains = gains_by_diversity(result)
    if not gains:
        return None
    drawn = [gain for gain in gains if gain.users >= FEW_USERS] or gains
    bars = [
        Measured(gain.group, [*gain.by_seed.values()], gain.mean, gain.sd, [*gain.by_seed])
        for gain in drawn
    ]
    told = ", ".join(f"{g.group}: {_signed_spread(g.mean, g.sd)}, {g.users} users" for g in drawn)
    chart = gain_chart(
        bars,
        [_users(gain) for gain in drawn],
        "other kinds clicked in a request besides the trigger's",
        f"Gain in GAUC by diversity of intent: {told}.",
    )
    unit, caption = f"{result.main} less {result.base}", _gain_caption(gains, drawn)
    return Section(
        "Who gains",
        figures([figure("Gain in GAUC", unit, chart, caption), _gain_table(result, gains)]),
        "Users by the diversity of their intents: the number of kinds they clicked in one request "
        "besides the trigger's own, mean over the last week of training (DAIAN, Figure 6).",
    )


def mean_intents(fits: Sequence[IntentFit]) -> list[MeanIntent]:
    """Return each population's mean over seeds; of fits over other levels than the first's, none.

    The divergence is the mean of the seeds' divergences, not that of the mean prediction: a mean
    over seeds is smoother than what any of the models would serve.
    """
    alike = [fit for fit in fits if fit.levels == fits[0].levels]
    names = dict.fromkeys(p.name for fit in alike for p in fit.populations)
    return [_mean_intent([p for f in alike for p in f.populations if p.name == n]) for n in names]


def gains_by_diversity(result: BenchmarkResult) -> list[Gain]:
    """Return the gain of main over base by group; seeds that both have finished count."""
    if result.main == result.base:
        return []
    ours = {cell.seed: _groups(cell) for cell in cells_of(result, result.main)}
    theirs = {cell.seed: _groups(cell) for cell in cells_of(result, result.base)}
    seeds = [seed for seed in ours if seed in theirs]
    users = {name: n for seed in seeds for name, (_, n) in ours[seed].items()}
    gains = list[Gain]()
    for name, number_of_users in users.items():
        both = [seed for seed in seeds if name in ours[seed] and name in theirs[seed]]
        here, there = ({s: found[s][name][0] for s in both} for found in (ours, theirs))
        if both:
            gains.append(Gain(name, number_of_users, here, there))
    return gains


def _fits(cells: Sequence[Cell]) -> list[IntentFit]:
    return [c.intent for c in cells if c.intent is not None and c.intent.populations]


def _reach(mean: MeanIntent) -> list[float]:
    spread = mean.spread or [0.0] * len(mean.population.predicted)
    ends = [p + s for p, s in zip(mean.population.predicted, spread, strict=True)]
    return [*ends, *mean.population.true]


def _mean_intent(seeds: Sequence[PopulationIntent]) -> MeanIntent:
    first = seeds[0]
    levels = [over_seeds(values) for values in zip(*(p.predicted for p in seeds), strict=True)]
    js, sd = _known_over_seeds([p.js for p in seeds])
    average, _ = _known_over_seeds([p.js_of_average for p in seeds])
    return MeanIntent(
        population=PopulationIntent(
            name=first.name,
            users=first.users,
            requests=first.requests,
            true=[over_seeds(v)[0] for v in zip(*(p.true for p in seeds), strict=True)],
            predicted=[mean for mean, _ in levels],
            js=js,
            js_of_average=average,
        ),
        spread=[sd for _, sd in levels if sd is not None],
        sd=sd,
        seeds=len(seeds),
    )


def _known_over_seeds(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    there = [value for value in values if value is not None]
    return over_seeds(there) if there else (None, None)


def _intent_figure(mean: MeanIntent, body: Html) -> Html:
    p = mean.population
    name = f"{p.name.capitalize()}-intent users" if p.name in {"specific", "broad"} else p.name
    seeds = f"{mean.seeds} seeds" if mean.seeds > 1 else "one seed"
    return figure(
        name,
        f"share of a request's clicks; {count(p.users)} users, {count(p.requests)} requests",
        body,
        f"JS divergence {spread_words(p.js, mean.sd)} bits over {seeds}; a model that expects the "
        f"mean intent of everyone from each user has {number(p.js_of_average)}.",
    )


def _divergences(result: BenchmarkResult) -> Html:
    """Return the divergences of all variants that predict intents, where others than main do."""
    variants = {row.variant: mean_intents(_fits(cells_of(result, row.variant)))
                for row in result.rows}  # fmt: skip
    told = {name: means for name, means in variants.items() if means}
    if len(told) < 2:
        return Html()
    names = dict.fromkeys(m.population.name for means in told.values() for m in means)
    rows = []
    for variant, means in told.items():
        known = {m.population.name: spread_words(m.population.js, m.sd) for m in means}
        rows.append([variant, *(known.get(name, "–") for name in names)])
    heads = [f"JS divergence, {name} users (bits)" for name in names]
    return table(["Variant", *heads], rows)


def _groups(cell: Cell) -> dict[str, tuple[float, int]]:
    """Return GAUC and number of users of each group by diversity of intent."""
    rows = next((group.rows for group in cell.groups if group.name == DIVERSITY), [])
    return {
        str(row["group"]): (float(gauc), int(users))
        for row in rows
        if isinstance(gauc := row.get("gauc"), int | float)
        and isinstance(users := row.get("users"), int | float)
    }


def _gain_caption(gains: Sequence[Gain], drawn: Sequence[Gain]) -> str:
    seeds = max(len(gain.by_seed) for gain in gains)
    caption = "One seed."
    if seeds > 1:
        caption = f"Mean and standard deviation over {seeds} seeds, each of them a dot."
    few = [f"{gain.group} ({_users(gain)})" for gain in gains if gain not in drawn]
    if few:
        return f"{caption} Too few users to draw: {', '.join(few)}."
    small = drawn[0].users < FEW_USERS  # then all are, or none would be drawn
    return caption + (f" Each group has fewer than {FEW_USERS} users: luck, mostly." * small)


def _users(gain: Gain) -> str:
    return f"{count(gain.users)} user{'s' * (gain.users != 1)}"


def _gain_table(result: BenchmarkResult, gains: Sequence[Gain]) -> Html:
    rows = [
        [gain.group, gain.users, over_seeds([*gain.theirs.values()])[0],
         over_seeds([*gain.ours.values()])[0], _signed_spread(gain.mean, gain.sd)]
        for gain in gains
    ]  # fmt: skip
    return table(["Kinds", "Users", result.base, result.main, "Gain in GAUC"], rows)


def _signed_spread(mean: float, sd: float | None) -> str:
    return signed(mean) + ("" if sd is None else f" ± {number(sd)}")
