"""The measured cells of a benchmark as files: ``cells.jsonl`` and ``missing.json``."""

import json
from collections.abc import Sequence
from pathlib import Path

from models.artifacts import Scalar
from models.assessment.benchmark_jobs import StoredCell
from models.files import write_text

CELLS_FILE, MISSING_FILE = "cells.jsonl", "missing.json"


def write_grid(
    found: Sequence[StoredCell], missing: Sequence[str], folder: Path
) -> dict[str, Scalar]:
    """Write the cells, and why others are missing, into ``folder``; return what a summary shows."""
    write_text(folder / CELLS_FILE, "".join(f"{one.model_dump_json()}\n" for one in found))
    write_text(folder / MISSING_FILE, json.dumps(list(missing), indent=1) + "\n")
    return {
        "cells": len(found),
        "missing": len(missing),
        "training_seconds": round(sum(one.cell.seconds for one in found), 1),
    }


def read_grid(folder: Path) -> tuple[list[StoredCell], list[str]]:
    """Return what `write_grid` wrote."""
    lines = (folder / CELLS_FILE).read_text(encoding="utf-8").splitlines()
    missing = json.loads((folder / MISSING_FILE).read_text(encoding="utf-8"))
    return [StoredCell.model_validate_json(line) for line in lines], missing
