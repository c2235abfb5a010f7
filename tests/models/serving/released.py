"""A line of releases as a serving process finds it: Bentos' folders, and a pointer to one."""

import json
import shutil
from pathlib import Path

from models.files import write_text
from models.serving import golden
from models.serving.predictor import Predictor


def place(line: Path, version: str, model: Path) -> Path:
    """Put a version where a promotion installs it, without the library; return its folder."""
    bundle = line / "production" / "bentos" / "intentflow" / version / "src"
    shutil.copytree(model, bundle / "model")
    write_text(bundle / "release.json", json.dumps({"version": version}))
    recorded = golden.record(Predictor.load(model, version=version))
    write_text(bundle / golden.FILE, recorded.model_dump_json())
    return bundle


def point(line: Path, *versions: str) -> None:
    """Make the last version the one in production."""
    write_text(line / "production.json", json.dumps({"versions": versions, "event": {}}))
