"""A real server, asked all the time, while versions are promoted, rolled back and broken."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.load import Load, wait_until_ready
from models.artifacts import write_artifact
from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.ctr.saved import ModelDescription, save_model
from models.serving import golden
from models.serving.predictor import Predictor
from models.training.trainer import make_catalogue
from steps.adapters.bento import build_bento, model_path
from steps.adapters.release import production_home, promote, register_candidate, rollback
from tests.faults.bentos import repacked
from tests.models.serving.shop import Shop, make_shop

ROOT = Path(__file__).resolve().parents[2]
WORKERS, CLIENTS, PATIENCE_S = 2, 3, 300
MEGABYTE = 2**20
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Serving:
    """A server that follows a line with the versions ``one``, ``two`` and ``three``."""

    port: int
    line: Path
    process: "subprocess.Popen[bytes]"
    log: Path
    bodies: list[bytes]
    expected: dict[str, list[tuple[float, ...]]]

    def check(self, load: Load) -> None:
        """No request failed, and every answer is the one of the version it names, bit for bit."""
        assert load.failures == []
        for answer in load.answers:
            assert answer.probabilities == self.expected[answer.version][answer.request]

    def workers(self) -> list[int]:
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [
            int(child)
            for child in told.split()
            if b"worker.service" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    def megabytes(self) -> list[float]:
        """Memory of each worker's own."""
        found = []
        for worker in self.workers():
            rollup = Path(f"/proc/{worker}/smaps_rollup").read_text().splitlines()
            own = [line for line in rollup if line.startswith(("Private_Dirty", "Private_Clean"))]
            found.append(sum(int(line.split()[1]) for line in own) / 1024)
        return found


def draw_model(shop: Shop, seed: int, folder: Path) -> Path:
    """A model of 17 MB: one that is not let go shows in a process's memory."""
    config = CTRConfig.model_validate({"model": "din", "settings": {"head": (2048, 2048)}})
    catalogue = make_catalogue(shop.store, None, None)
    described = ModelDescription(config=config, spec=shop.store.spec, seed=seed, summary={})
    with write_artifact(folder, "ctr_model") as draft:
        save_model(build_model(config, catalogue, seed), described, catalogue, draft.folder)
        shop.store.vocabularies().save(draft.folder)
    return folder


def lone_answers(folders: list[Path]) -> list[list[list[float]]]:
    """What each model answers to each golden request, in a process of their own."""
    words = [sys.executable, "-m", "tests.pipelines.lone_answers", *map(str, folders)]
    told = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serving")
    state = folder / "state"
    line = state / "releases" / "shop"
    shop = make_shop(folder / "shop")
    models = {
        version: draw_model(shop, seed, folder / version)
        for seed, version in enumerate(("one", "two", "three"))
    }
    first = build_bento(models["one"], version="one", home=state / "bento")
    rest = [repacked(first, models[version], version) for version in ("two", "three")]
    for bento in (first, *rest):
        register_candidate(line, bento, approved=True, reasons=("won",))
    promote(line, "one", reason="won", who="gate")
    requests = golden.golden_requests(Predictor.load(models["one"], version="one").vocabularies)
    expected = {
        version: [tuple(probabilities) for probabilities in answers]
        for version, answers in zip(models, lone_answers(list(models.values())), strict=True)
    }
    bodies = [request.model_dump_json().encode() for request in requests]
    port, log = 30_000 + os.getpid() % 20_000, folder / "log"
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "serve", "--port", str(port),
             "--workers", str(WORKERS)],
            cwd=ROOT, env=os.environ | {"INTENTFLOW_HOME": str(state)}, stdout=told, stderr=told,
            start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_ready(port, patience_s=PATIENCE_S)
        yield Serving(port, line, process, log, bodies, expected)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)


def ask(serving: Serving) -> Load:
    return Load(serving.port, serving.bodies, clients=CLIENTS, pause_s=0.03)


def test_twenty_swaps_under_load_fail_no_request_mix_no_versions_and_keep_no_memory(
    serving: Serving,
) -> None:
    begin = len(serving.log.read_text().splitlines())
    memory = []
    with ask(serving) as load:
        load.wait_for("one")
        for _ in range(10):
            promote(serving.line, "two", reason="up", who="me")
            load.wait_for("two")
            rollback(serving.line, reason="down", who="me")
            load.wait_for("one")
            memory.append(serving.megabytes())
    serving.check(load)
    assert {answer.version for answer in load.answers} == {"one", "two"}
    told = serving.log.read_text().splitlines()[begin:]
    for worker in range(1, WORKERS + 1):  # each process swapped each time
        assert sum(f"[:{worker}] Serving" in line for line in told) == 20
    assert len(memory[0]) == WORKERS
    for early, late in zip(memory[2], memory[-1], strict=True):
        assert late - early < 20, memory  # one model of 17 MB kept each time would be 240 MB


def test_a_rollback_is_served_within_five_seconds_and_answers_bit_equal(serving: Serving) -> None:
    promote(serving.line, "three", reason="up", who="me")
    with ask(serving) as load:
        load.wait_for("three")
        rollback(serving.line, reason="it hurts", who="me")
        switched = (serving.line / "production.json").stat().st_mtime
        served = load.wait_for("one") + time.time() - time.perf_counter()
    assert served - switched < 5
    serving.check(load)
    last = {answer.request: answer.probabilities for answer in load.answers[-20:]}
    assert last == dict(enumerate(serving.expected["one"]))


def test_a_version_broken_in_the_store_is_refused_with_a_word_and_the_old_one_goes_on(
    serving: Serving,
) -> None:
    promote(serving.line, "three", reason="installs it", who="me")
    with ask(serving) as load:
        load.wait_for("three")
        rollback(serving.line, reason="back", who="me")
        load.wait_for("one")
    weights = model_path(production_home(serving.line), "three") / "weights.safetensors"
    pointer = json.loads((serving.line / "production.json").read_text())
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"oops")
    with ask(serving) as load:
        # The pointer as promote would have left it, had the bytes turned bad right after.
        broken = pointer | {"versions": [*pointer["versions"], "three"]}
        temporary = serving.line / "pointer"
        temporary.write_text(json.dumps(broken))
        temporary.replace(serving.line / "production.json")
        deadline = time.monotonic() + PATIENCE_S
        while serving.log.read_text().count("Refused three") < WORKERS:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        weights.write_bytes(whole)
        load.wait_for("three")  # tried again, though nobody touched the pointer
        temporary.write_text(json.dumps(pointer))
        temporary.replace(serving.line / "production.json")
        load.wait_for("one")
    serving.check(load)
    (refused,) = {
        line.split("[ERROR]")[1].split("] ", 1)[1]
        for line in serving.log.read_text().splitlines()
        if "Refused" in line
    }
    assert "still serving one" in refused
    assert "weights.safetensors" in refused
    assert "Traceback" not in serving.log.read_text()
