"""The process of one cell of a benchmark: ``python -m models.assessment.benchmark_cell FOLDER``.

A process of its own makes its memory and processor time those of this one training. It ends when
its standard input does: with the process that started it, however that ended.
"""

import fcntl
import json
import os
import platform
import select
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch

from models.assessment.benchmark_jobs import (
    CELL_FILE,
    FAILURE_FILE,
    JOB_FILE,
    LOCK_FILE,
    MODEL_FOLDER,
    RESUME_FOLDER,
    SPENT_FILE,
    CellJob,
    StoredCell,
    read_cell,
)
from models.assessment.benchmark_meter import Meter
from models.assessment.evaluate import training_curves
from models.assessment.predictions import Evidence, evaluation_input
from models.ctr.saved import LoadedModel
from models.data.tables import read_tables
from models.encoders.embeddings import load_embeddings
from models.errors import ProjectError
from models.files import remove_leftovers, write_text
from models.reports.benchmark_results import Cell
from models.reports.evaluation import Evaluation, evaluate
from models.training.trainer import load_model, make_catalogue, pick_device, score, train

LEFT_ALONE = 75
BEAT_S = 5.0


def main(folder: Path) -> int:
    """Measure the cell whose job stands in ``folder``; return the exit code."""
    job = CellJob.model_validate_json((folder / JOB_FILE).read_bytes())
    torch.set_num_threads(job.threads)
    meter = Meter(folder / SPENT_FILE)
    threading.Thread(target=_end_with_parent, args=(meter,), daemon=True).start()
    with _alone(folder):
        if read_cell(folder) is not None:
            return 0  # another benchmark that shares the cell was quicker
        try:
            stored = measure(job, folder, meter)
        except Exception as error:
            what = error.what if isinstance(error, ProjectError) else f"{error!r}"
            write_text(folder / FAILURE_FILE, json.dumps({"what": what}) + "\n")
            traceback.print_exc()
            return 1
        write_text(folder / CELL_FILE, stored.model_dump_json(indent=1) + "\n")
        if not job.keep_model:
            shutil.rmtree(folder / MODEL_FOLDER, ignore_errors=True)
    return 0


def measure(job: CellJob, folder: Path, meter: Meter) -> StoredCell:
    """Return what training and scoring came to.

    Args:
        job: The cell.
        folder: Receives the model; a training that was killed there is gone on with.
        meter: Measures the training.

    Raises:
        ProjectError: the model cannot be trained so.
    """
    remove_leftovers(folder)
    evidence, device = Evidence.open(job.folders), pick_device(job.model.training.device)
    if not (meter.done and (folder / MODEL_FOLDER).is_dir()):
        _train(job, evidence, folder, meter, device)
    loaded = load_model(folder / MODEL_FOLDER)
    loaded.model.to(device)
    evaluation, score_seconds = _evaluate(job, evidence, loaded)
    cell = Cell(
        variant=job.variant,
        seed=job.seed,
        key=job.key,
        model=job.model.model,
        metrics={name: estimate.value for name, estimate in evaluation.metrics.items()},
        intent=evaluation.intent,
        groups=[table for table in evaluation.groups if table.rows],
        history=[dict(row) for row in training_curves(folder / MODEL_FOLDER)],
        parameters=sum(parameter.numel() for parameter in loaded.model.parameters()),
        seconds=round(meter.seconds, 3),
        cpu_seconds=round(meter.cpu_seconds, 3),
        peak_bytes=meter.peak_bytes,
        score_seconds=round(score_seconds, 3),
        threads=job.threads,
    )
    return StoredCell(
        cell=cell, commit=job.commit, machine=machine(device), finished_at=datetime.now(UTC)
    )


def machine(device: torch.device) -> str:
    """Return what computes: the processor and its cores, or the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.is_file():
        lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"


def _train(
    job: CellJob, evidence: Evidence, folder: Path, meter: Meter, device: torch.device
) -> None:
    store, intents = evidence.store, evidence.intents
    content = load_embeddings(job.folders["content"]).aligned(store.item_ids)
    catalogue = make_catalogue(store, content, intents)
    model = folder / MODEL_FOLDER
    shutil.rmtree(model, ignore_errors=True)  # half-written by a process that was killed
    model.mkdir()
    with meter.running(device):
        train(
            job.model,
            store,
            catalogue,
            intents,
            model,
            seed=job.seed,
            resume_folder=folder / RESUME_FOLDER,
        )


def _evaluate(job: CellJob, evidence: Evidence, loaded: LoadedModel) -> tuple[Evaluation, float]:
    """Return what the test split says, and the seconds that scoring it took."""
    rows = evidence.store.rows("test")
    began = time.perf_counter()
    scores = score(loaded.model, evidence.store, rows, calibration=loaded.calibration)
    seconds = time.perf_counter() - began
    tables = read_tables(job.folders["tables"])
    data = evaluation_input(evidence, rows, job.model.model, scores, tables)
    return evaluate(data, bootstrap=0), seconds


def _end_with_parent(meter: Meter) -> None:
    """End this process when its standard input ends; meanwhile note what the training takes."""
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], BEAT_S)
        if readable and not os.read(sys.stdin.fileno(), 1):
            os._exit(LEFT_ALONE)
        meter.note()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process works on the cell; the lock falls with its process."""
    with (folder / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
