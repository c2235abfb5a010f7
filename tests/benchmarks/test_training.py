"""What every library reads is the same data, and what is measured is what is said."""

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.prepared import HISTORY_LENGTH, Prepared, prepare
from benchmarks.peers.runners.measuring import Stopwatch
from benchmarks.peers.runs import Job, run
from benchmarks.training import shown

USERS, RATINGS, FILMS = 12, 70, 40


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    raw, folder = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("prepared")
    random = np.random.default_rng(0)
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(1, USERS + 1):
        for film in range(RATINGS):
            rating = random.choice([1.0, 3.0, 5.0])
            lines.append(f"{user},{film % FILMS + 1},{rating},{10**9 + 100 * film + user}")
    (raw / "ratings.csv").write_text("\n".join(lines) + "\n")
    films = [f'{film},"Film {film} (1990)",Drama' for film in range(1, FILMS + 1)]
    (raw / "movies.csv").write_text("\n".join(["movieId,title,genres", *films]) + "\n")
    return prepare(raw, folder)


def test_timelines_cut_at_their_length_are_the_padded_histories(prepared: Prepared) -> None:
    arrays = prepared.arrays
    assert set(np.unique(arrays["split"])) == {0, 1, 2}
    for row in range(len(arrays["user"])):
        user, length = arrays["user"][row], arrays["length"][row]
        start = arrays["timeline_offsets"][user]
        cut = arrays["timeline_items"][start : start + arrays["timeline_length"][row]]
        assert arrays["history"][row, :length].tolist() == cut[-HISTORY_LENGTH:].tolist()
        assert not arrays["history"][row, length:].any()


def test_an_inner_stretch_is_not_counted_in_the_outer() -> None:
    watch = Stopwatch()
    with watch.span("outer"):
        with watch.span("inner"):
            time.sleep(0.2)
        busy = time.perf_counter() + 0.1
        while time.perf_counter() < busy:
            pass
    (inner,), (outer,) = watch.spans["inner"], watch.spans["outer"]
    assert inner[1] >= 0.2
    assert inner[0] < 0.1  # asleep
    assert 0.09 < outer[1] < 0.2


@pytest.mark.slow
def test_our_own_runner_leaves_epochs_scores_and_figures(
    prepared: Prepared, tmp_path: Path
) -> None:
    job = Job("intentflow", "deepfm", 64, seed=1, max_epochs=2, repeats=2, threads=1)
    result = run(job, prepared, tmp_path, fresh=True)
    assert [len(result.spans[name]) for name in ("train", "score")] == [2, 2]
    assert result.scored == len(prepared.arrays["label"])
    assert 100 < result.peak_mb < 4000
    assert 0 < result.figures["auc"] < 1
    assert not list(tmp_path.iterdir())  # only a peer's results are kept


def test_the_table_sets_ours_over_theirs_and_tells_why_a_peer_is_missing() -> None:
    line = {
        "model": "din", "batch": 4096, "library": "intentflow", "cached": False,
        "train_per_cpu_s": 3000.0, "train_per_wall_s": 1.0, "score_per_cpu_s": 800.0,
        "score_per_wall_s": 1.0, "peak_mb": 100.0, "auc": [0.5, 0.7], "gauc": [0.6],
    }  # fmt: skip
    peer = line | {
        "library": "fuxictr", "train_per_cpu_s": 1000.0, "score_per_cpu_s": 400.0,
        "peak_mb": 200.0, "cached": True,
    }  # fmt: skip
    missing = {"model": "din", "batch": 4096, "library": "recbole", "error": "no wheel"}
    ours, theirs, absent = shown([line, peer, missing])
    assert theirs["ours / theirs"] == "train 3.00, score 2.00, memory 0.50"
    assert theirs["library"] == "fuxictr (kept)"
    assert ours["AUC"] == "0.6000 ± 0.1414"
    assert absent["ours / theirs"] == "no wheel"
    assert absent["AUC"] == "–"
