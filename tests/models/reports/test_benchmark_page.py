"""The benchmark's page: it says what the result says, draws what there is, and is silent else."""

import re
from pathlib import Path

import numpy as np
import pytest

from models.metrics.intervals import rank_sum_test
from models.reports.benchmark_figures_intent import gains_by_diversity, mean_intents
from models.reports.benchmark_figures_training import best_epoch
from models.reports.benchmark_page import write_benchmark_page
from models.reports.benchmark_results import BenchmarkResult, Cell, Row
from models.reports.benchmark_wording import benchmark_headline
from models.reports.seed_charts import mean_line
from tests.models.reports.measured_variants import make_benchmark, make_sweep
from tests.models.reports.test_pages import HOSTILE, read

FIGURES = (
    *("Every seed", "Predicted and true intent", "Who gains", "Loss by stage"),
    "AUC and GAUC against",
)


def page(result: BenchmarkResult, folder: Path) -> tuple[str, str]:
    return read(write_benchmark_page(result, folder))


def row(result: BenchmarkResult, variant: str) -> Row:
    return next(row for row in result.rows if row.variant == variant)


def altered(result: BenchmarkResult, variant: str, **changes: object) -> BenchmarkResult:
    rows = [r.model_copy(update=changes) if r.variant == variant else r for r in result.rows]
    return result.model_copy(update={"rows": rows})


def without(result: BenchmarkResult, **changes: object) -> BenchmarkResult:
    cells = [cell.model_copy(update=changes) for cell in result.cells]
    return result.model_copy(update={"cells": cells})


def test_the_page_shows_the_given_figures(tmp_path: Path) -> None:
    result = make_benchmark()
    html, words = page(result, tmp_path)
    for r in result.rows:
        deviation = r.sd["auc"]
        assert deviation is not None
        assert f"{r.mean['auc']:.4f} ± {deviation:.4f}" in words
    gain = row(result, "DAIAN").rela_impr["gauc"]
    assert f"{gain:+.1f}\u202f%" in html
    assert "4\u202f812\u202f345" in html  # parameters
    assert "Commit 0a1b2c3" in words
    cell = result.cells[7]
    assert f"{cell.metrics['auc']:.4f}" in html
    assert f"DIHN, seed {cell.seed}: {cell.metrics['auc']:.4f}" in html  # the dot's own words
    assert html.count("<b>0.") == 3  # the best AUC, GAUC and log loss
    assert f"<b>{row(result, 'DAIAN').mean['auc']:.4f} ± " in html


def test_every_figure_of_the_paper_is_there(tmp_path: Path) -> None:
    _, words = page(make_benchmark(), tmp_path)
    assert all(title in words for title in FIGURES[:4])
    assert "JS divergence" in words
    _, words = page(make_sweep(), tmp_path)
    assert "AUC and GAUC against number of levels n" in words
    assert "Every seed" not in words  # the sweep's own figure has every seed


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    bare = without(make_benchmark(), intent=None, groups=[], history=[])
    html, words = page(bare, tmp_path)
    assert "Every seed" in words
    assert not [title for title in FIGURES[1:] if title in words]
    assert "Missing" not in words
    assert "None" not in words
    empty = bare.model_copy(update={"cells": [], "rows": [], "incomplete": ["DIN, seed 1: ended"]})
    html, words = page(empty, tmp_path)
    assert "Nothing can be said yet: no cell has finished." in words
    assert "DIN, seed 1: ended" in words
    assert "<svg" not in html


def test_one_seed_has_no_deviation_and_no_p_value(tmp_path: Path) -> None:
    _, words = page(make_benchmark(seeds=1), tmp_path)
    assert "±" not in words.replace("Mean ±", "")
    assert "nobody knows whether that is luck" in words
    assert "With fewer than two seeds there is neither a deviation nor a p-value." in words


def test_missing_cells_are_named(tmp_path: Path) -> None:
    missing = ["DIHN, seed 4: out of memory", f"DIHN, seed 5: {HOSTILE}"]
    html, words = page(make_benchmark(incomplete=missing), tmp_path)
    assert "2 of 22 cells are missing, and named below." in words
    assert all(line in words for line in missing)
    assert "<script>" not in html
    assert '<div class="verdict mixed">' in html


def test_names_and_facts_are_escaped(tmp_path: Path) -> None:
    quality = {"DIN": 0.70, HOSTILE: 0.71}
    result = make_benchmark(quality, seeds=2, main=HOSTILE)
    result = result.model_copy(update={"title": HOSTILE, "facts": {HOSTILE: HOSTILE}})
    html, words = page(result, tmp_path)
    assert "<script>" not in html
    assert HOSTILE in words


def test_the_headline_says_who_is_best_by_how_much_and_whether_it_is_luck() -> None:
    result = make_benchmark()
    ours, second = row(result, "DAIAN").mean["auc"], row(result, "DIHN")
    said = benchmark_headline(result)
    assert said.headline == (
        f"DAIAN has the best AUC, {ours:.4f}: {ours - second.mean['auc']:.4f} above DIHN, "
        "which is more than the luck of the seeds (p = 0.004)."
    )
    assert said.tone == "good"
    assert "DAIAN is above all 3 others in AUC and GAUC (p < 0.05)." in said.details
    doubted = altered(result, "DIHN", p={"auc": 0.21, "gauc": 0.004})
    said = benchmark_headline(doubted)
    assert "which may be the luck of the seeds (p = 0.210)" in said.headline
    assert said.details[1] == (
        "DAIAN is above 2 of 3 others in both AUC and GAUC (p < 0.05); of DIHN that cannot be said."
    )
    assert said.tone == "mixed"


def test_where_a_rival_is_best_its_lead_is_tested_the_other_way() -> None:
    result = make_benchmark({"DIN": 0.72, "DAIAN": 0.714})
    values = [
        np.array([float(c.metrics["auc"] or 0) for c in result.cells if c.variant == name])
        for name in ("DIN", "DAIAN")
    ]
    said = benchmark_headline(result)
    assert said.headline.startswith("DIN has the best AUC")
    assert f"(p = {rank_sum_test(*values):.3f})" in said.headline
    assert said.tone == "mixed"


def test_the_gain_of_a_group_is_main_less_base_seed_by_seed(tmp_path: Path) -> None:
    result = make_benchmark()
    gains = gains_by_diversity(result)

    def gauc(variant: str, group: str) -> np.ndarray:
        rows = [r for c in result.cells if c.variant == variant for r in c.groups[0].rows]
        return np.array([r["gauc"] for r in rows if r["group"] == group], dtype=float)

    assert [gain.group for gain in gains] == ["0", "1 to 2", "3 to 4", "5 to 6"]
    for gain in gains:
        difference = gauc("DAIAN", gain.group) - gauc("DIN", gain.group)
        np.testing.assert_allclose([*gain.by_seed.values()], difference)
        assert gain.mean == pytest.approx(np.mean(difference))
        assert gain.sd == pytest.approx(np.std(difference, ddof=1))
    html, words = page(result, tmp_path)
    assert f"{gains[1].mean:+.4f}</text>" in html
    assert "3\u202f655 users</text>" in html
    assert "Too few users to draw: 5 to 6 (4 users)." in words


def test_a_seed_that_only_one_of_the_two_has_finished_is_no_gain() -> None:
    result = make_benchmark()
    kept = [c for c in result.cells if (c.variant, c.seed) not in {("DIN", 1), ("DAIAN", 3)}]
    found = gains_by_diversity(result.model_copy(update={"cells": kept}))
    assert [list(gain.by_seed) for gain in found] == [[2, 4, 5]] * 4
    assert gains_by_diversity(result.model_copy(update={"base": "DAIAN"})) == []


def test_intents_are_means_over_seeds_with_their_deviation() -> None:
    fits = [c.intent for c in make_benchmark().cells if c.intent is not None]
    for place, mean in enumerate(mean_intents(fits)):
        seeds = [fit.populations[place] for fit in fits]
        predicted = np.array([one.predicted for one in seeds])
        np.testing.assert_allclose(mean.population.predicted, predicted.mean(axis=0))
        np.testing.assert_allclose(mean.spread, predicted.std(axis=0, ddof=1))
        divergences = np.array([one.js for one in seeds], dtype=float)
        assert mean.population.js == pytest.approx(divergences.mean())
        assert mean.sd == pytest.approx(divergences.std(ddof=1))
    assert mean_intents([]) == []


def test_the_sweep_is_drawn_in_the_order_of_its_values(tmp_path: Path) -> None:
    result = make_sweep()
    html, _ = page(result, tmp_path)
    told = re.search(r"AUC against number of levels n: (.*?)\.\"", html)
    assert told is not None
    assert re.findall(r"n = (\d+)", told[1]) == ["2", "4", "6", "10", "20"]
    assert html.count("seed 3: ") >= 2 * len(result.rows)


@pytest.mark.parametrize(
    ("auc", "said"), [(0.7, "the dashed line."), (0.6, "too far away to be drawn.")]
)
def test_a_base_outside_the_sweep_is_a_line_only_where_it_is_near(
    auc: float, said: str, tmp_path: Path
) -> None:
    swept, base = make_sweep(), make_benchmark({"DIN": auc}, seeds=3, main="DIN")
    result = swept.model_copy(
        update={"base": "DIN", "rows": [*base.rows, *swept.rows],
                "cells": [*base.cells, *swept.cells]}
    )  # fmt: skip
    html, words = page(result, tmp_path)
    assert f"DIN has {row(result, 'DIN').mean['auc']:.4f}, {said}" in words
    assert html.count('class="reference"') == 2 * (auc == 0.7)  # AUC and GAUC
    assert "Every seed" not in words


def test_a_stage_is_marked_at_the_epoch_whose_weights_were_kept(tmp_path: Path) -> None:
    rows: list[dict[str, str | int | float | None]] = [
        {"valid/auc": 0.70, "valid/log_loss": 0.50},
        {"valid/auc": 0.74, "valid/log_loss": 0.52},
        {"valid/auc": 0.74, "valid/log_loss": None},
    ]
    assert best_epoch(rows) == 1
    assert best_epoch([{"valid/intent_kl": kl} for kl in (0.3, 0.2, 0.25)]) == 1
    assert best_epoch([{"valid/log_loss": None}, {}]) is None
    history = [{"stage": "joint", "epoch": i, "train/loss": 0.5, **r} for i, r in enumerate(rows)]
    result = make_benchmark({"DIN": 0.7, "DAIAN": 0.71}, seeds=2)
    html, words = page(without(result, history=history), tmp_path)
    assert "How it learnt" in words
    assert html.count("best epoch 2, 0.5200") == 2
    assert "epoch of the stage" in words


def test_the_mean_of_unequal_lines_ends_where_few_go_on() -> None:
    assert mean_line([[1.0, 2.0, 3.0], [3.0, 4.0], [5.0]]) == [3.0, 3.0]
    assert mean_line([[1.0, 2.0], [3.0]]) == [2.0]
    assert mean_line([[1.0, 2.0]]) == [1.0, 2.0]
    assert mean_line([[1.0, None], [2.0, None]]) == [1.5]
    assert mean_line([]) == []


def test_a_cell_with_odd_numbers_breaks_nothing(tmp_path: Path) -> None:
    def odd(cell: Cell) -> Cell:
        return cell.model_copy(update={"metrics": {**cell.metrics, "gauc": None, "ece": None}})

    result = make_benchmark()
    cells = [odd(cell) if cell.seed == 2 else cell for cell in result.cells]
    rows = [r.model_copy(update={"rela_impr": {}, "p": {}}) for r in result.rows]
    _, words = page(result.model_copy(update={"cells": cells, "rows": rows}), tmp_path)
    assert "Every seed" in words
