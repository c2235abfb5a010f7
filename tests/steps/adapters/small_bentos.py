"""Bentos small enough to be made in a moment: a recipe, some code, and an artifact as the model."""

from pathlib import Path

from models.artifacts import read_manifest, write_artifact
from steps.adapters.bento_store import BentoRef, bento_path, size_of


def make_bento(home: Path, version: str, weights: bytes | None = None) -> BentoRef:
    """A Bento as far as releasing looks at one: what it holds cannot be served."""
    place = bento_path(home, version)
    (place / "src" / "models").mkdir(parents=True)
    (place / "src" / "models" / "code.py").write_text(f"VERSION = {version!r}\n")
    with write_artifact(place / "src" / "model", "ctr_model", config={"seed": len(version)}) as new:
        (new.folder / "weights.safetensors").write_bytes(weights or version.encode() * 100)
    model_hash = read_manifest(place / "src" / "model").content_hash
    recipe = f"name: intentflow\nversion: {version}\nlabels:\n  model_hash: {model_hash}\n"
    (place / "bento.yaml").write_text(recipe)
    return BentoRef(
        tag=f"intentflow:{version}", path=str(place), home=str(home), version=version,
        model_hash=model_hash, size_bytes=size_of(place),
    )  # fmt: skip
