"""Trains in a process that is killed again and again; run by test_kills.py.

One process imports the library once and forks a child for each attempt, which is killed with
SIGKILL; the arguments are a folder and the number of kills. The parent itself must compute
nothing: a child has none of the threads that polars and torch start, and would wait for them.
"""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from models.data.store import ExampleStore
from models.files import TEMPORARY_PREFIX
from models.intents.labels import IntentLabels
from models.training.trainer import make_catalogue, train
from tests.models.training.synthetic import Dataset, make_dataset, small_config

SMALL_DATA = {"users": 20, "requests": 6}


def load(folder: Path) -> Dataset:
    """Return the data set that ``folder`` holds."""
    store = ExampleStore.open(folder / "store")
    intents = IntentLabels.open(folder / "intents")
    content = np.load(folder / "content.npy", allow_pickle=False)
    return Dataset(store, content, intents, make_catalogue(store, content, intents))


def make(folder: Path) -> None:
    """Write a data set for `load`."""
    np.save(folder / "content.npy", make_dataset(folder, **SMALL_DATA).content)


def run(data: Path, folder: Path) -> None:
    """Train with dropout, so that the random generators matter too."""
    config = small_config(
        "daian",
        max_epochs=6,
        batch_size=32,
        checkpoint_every=1,
        patience=6,
        grad_clip=1.0,
        schedule="cosine",
        warmup_steps=5,
        length_buckets=4,
        positive_weight=2.0,
        keep_negatives=0.8,
        calibration="platt",
        monitor="valid/log_loss",
    )
    settings = config.settings | {"dropout": 0.3, "uim_epochs": 3}
    dataset = load(data)
    train(
        config.model_copy(update={"settings": settings}),
        dataset.store,
        dataset.catalogue,
        dataset.intents,
        folder / "model",
        seed=0,
        resume_folder=folder / "resume",
    )


def fork(work: Callable[[], None]) -> int:
    """Do ``work`` in a child process; return its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        torch.set_num_threads(1)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def waited(child: int) -> int:
    """Return how the child ended: its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_to_write(data: Path, folder: Path, writes: int) -> None:
    """Train until the process kills itself at its ``writes``-th call to make bytes durable.

    A checkpoint makes two: of the file before it is renamed, and of its folder afterwards.
    """
    real, calls = os.fsync, 0

    def kill_at_last(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == writes:
            os.kill(os.getpid(), signal.SIGKILL)
        real(handle)

    os.fsync = kill_at_last
    run(data, folder)


def killed(data: Path, folder: Path, attempt: int, delay_s: float) -> bool:
    """Kill a training after a time or, every second one, as it writes a checkpoint.

    Returns:
        Whether a half-written file was left behind.
    """
    resume = folder / "resume"
    if attempt % 2:
        child = fork(lambda: run_to_write(data, folder, 1 + attempt // 2 % 4))
    else:
        child = fork(lambda: run(data, folder))
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
    if waited(child) != -signal.SIGKILL:
        raise RuntimeError("the training ended before it was killed")
    return any(resume.glob(f"{TEMPORARY_PREFIX}*"))


def main(folder: Path, kills: int) -> None:
    """Train undisturbed, then killed ``kills`` times; print how many left half a checkpoint."""
    data, begun = folder / "data", folder / "killed"
    data.mkdir(parents=True)
    ended = [waited(fork(lambda: make(data)))]
    began = time.monotonic()
    ended.append(waited(fork(lambda: run(data, folder / "undisturbed"))))
    took_s = time.monotonic() - began
    seed = int(folder.stat().st_mtime_ns)
    delays = random.Random(seed)
    writing = 0
    for attempt in range(kills):
        writing += killed(data, begun, attempt, delays.uniform(0.0, 0.15) * took_s)
    ended.append(waited(fork(lambda: run(data, begun))))
    if any(ended):
        raise RuntimeError(f"a child failed: exit codes {ended}, seed {seed}")
    sys.stdout.write(f"{writing}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
