"""What a benchmark hands to the process of a cell, and what it gets back."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from models.ctr.config import CTRConfig
from models.reports.benchmark_results import Cell
from models.reports.results import Result
from models.settings import Settings

JOB_FILE, CELL_FILE, FAILURE_FILE = "job.json", "cell.json", "failure.json"
LOG_FILE, SPENT_FILE, LOCK_FILE = "log.txt", "spent.json", "lock"
MODEL_FOLDER, RESUME_FOLDER = "model", "resume"


class CellJob(Settings):
    """What a cell's process is told.

    Attributes:
        key: Digest of all that determines the cell.
        code: Digest of the code that is part of it.
        variant: Its variant's name.
        model: Model, settings and training.
        seed: Seed of the training.
        threads: Threads to compute with.
        folders: Where ``examples``, ``content``, ``intents`` and ``tables`` lie.
        commit: The code's commit, for the record.
        keep_model: Keep the trained model.
    """

    key: str
    code: str
    variant: str
    model: CTRConfig
    seed: int
    threads: int
    folders: Mapping[str, Path]
    commit: str
    keep_model: bool = False

    @property
    def name(self) -> str:
        """Return what a person calls the cell."""
        return f"{self.variant}, seed {self.seed}"


class StoredCell(Result):
    """What ``cell.json`` holds: the cell, and where and when it was measured."""

    cell: Cell
    commit: str
    machine: str
    finished_at: datetime


def read_cell(folder: Path) -> StoredCell | None:
    """Return the cell that was measured in ``folder``; None where none was, or not wholly."""
    try:
        return StoredCell.model_validate_json((folder / CELL_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
