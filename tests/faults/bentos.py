"""Many Bentos for the price of one, or of none: the same library with another model, or without."""

import json
import os
import shutil
from pathlib import Path

from models.artifacts import read_manifest
from models.serving import golden
from models.serving.predictor import Predictor
from steps.adapters.bento_store import BentoRef, bento_path, size_of


def repacked(bento: BentoRef, model: Path, version: str) -> BentoRef:
    """Return ``bento`` with another model, under another version, in the same store."""
    place = bento_path(Path(bento.home), version)
    shutil.copytree(bento.path, place, copy_function=os.link)  # the library is the same files
    shutil.rmtree(place / "src" / "model")
    ref = _reference(Path(bento.home), model, version)
    recipe = (place / "bento.yaml").read_text(encoding="utf-8")
    recipe = recipe.replace(bento.model_hash, ref.model_hash)
    recipe = recipe.replace(f"version: {bento.version}\n", f"version: {version}\n")
    return _filled(ref, model, recipe)


def small_bento(home: Path, model: Path, version: str) -> BentoRef:
    """Return a Bento that holds a model but no library: all that releases look at."""
    ref = _reference(home, model, version)
    labels = f"labels:\n  model_hash: {ref.model_hash}\n  library_hash: none\n"
    return _filled(ref, model, f"name: intentflow\nversion: {version}\n{labels}")


def _reference(home: Path, model: Path, version: str) -> BentoRef:
    return BentoRef(
        tag=f"intentflow:{version}",
        path=str(bento_path(home, version)),
        home=str(home),
        version=version,
        model_hash=read_manifest(model).content_hash,
        size_bytes=0,
    )


def _filled(ref: BentoRef, model: Path, recipe: str) -> BentoRef:
    place = Path(ref.path)
    shutil.copytree(model, place / "src" / "model")
    recorded = golden.record(Predictor.load(model, version=ref.version))
    _replace(place / "bento.yaml", recipe)
    _replace(place / "src" / "release.json", json.dumps({"version": ref.version}))
    _replace(place / "src" / golden.FILE, recorded.model_dump_json())
    return ref.model_copy(update={"size_bytes": size_of(place)})


def _replace(path: Path, text: str) -> None:
    """Write a file of its own where a link to another's may stand."""
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
