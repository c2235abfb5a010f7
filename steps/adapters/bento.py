"""Bentos: a model folder and the library that serves it, built offline and asked before use.

BentoML runs in processes of its own: a second build in one process would serve the module of the
first. A Bento appears in its store only as a whole, after it has answered.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

import models
from models.artifacts import file_hash, verify_artifact
from models.data.vocabulary import Vocabularies
from models.errors import CorruptArtifactError, ProjectError, ReleaseError
from models.files import TEMPORARY_PREFIX, new_folder, own_prefix, write_text
from models.serving.predictor import Predictor
from models.serving.request import ScoreRequest
from models.settings import digest

NAME = "intentflow"
SERVICE = "models.serving.service:ScoringService"
# What the service imports; the Bento's image installs these versions.
PACKAGES = ("jaxtyping", "numpy", "polars", "pydantic", "pyyaml", "safetensors", "torch", "tqdm")
TOLERANCE = 1e-6
PATIENCE_S = 600


class BentoRef(BaseModel):
    """A built Bento that has answered a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    path: str
    home: str
    version: str
    model_hash: str
    size_bytes: int


def build_bento(model_folder: Path, *, version: str, home: Path) -> BentoRef:
    """Return the Bento of the model at ``model_folder``, built in the BENTOML_HOME ``home``.

    A Bento of the same version, model and library that already stands there is returned as it is.

    Args:
        model_folder: A ctr_model artifact.
        version: What the Bento and its responses are called.
        home: The BentoML store.

    Raises:
        CorruptArtifactError: the model folder differs from its manifest.
        ReleaseError: BentoML cannot build it, or the Bento does not answer as the model does.
    """
    labels = {
        "model_hash": verify_artifact(model_folder, "ctr_model").content_hash,
        "library_hash": _library_hash(),
    }
    place = bento_path(home, version)
    if not _stands(place, labels):
        home.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=home))
        try:
            built = _build(model_folder, version, labels, scratch)
            _ask(built, model_folder, version, scratch)
            place_bento(built, place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    write_text(place.parent / "latest", version)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return BentoRef(
        tag=f"{NAME}:{version}",
        path=str(place),
        home=str(home),
        version=version,
        model_hash=labels["model_hash"],
        size_bytes=size,
    )


def bento_path(home: Path, version: str) -> Path:
    """Return where the Bento of ``version`` stands in the store ``home``."""
    return home / "bentos" / NAME / version


def model_path(home: Path, version: str) -> Path:
    """Return the model folder inside the Bento of ``version``."""
    return bento_path(home, version) / "src" / "model"


def export_bento(bento: BentoRef, archive: Path) -> None:
    """Write the Bento into a tar file, which appears as a whole."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=archive.parent))
    try:
        run_bentoml(["export", bento.tag, str(scratch / "bento.tar")], home=Path(bento.home))
        (scratch / "bento.tar").replace(archive)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def import_bento(archive: Path, *, version: str, home: Path) -> Path:
    """Bring an exported Bento into the store ``home``, as a whole, and return its folder.

    Raises:
        ReleaseError: BentoML cannot read the archive, or it holds another version.
        CorruptArtifactError: the model in it differs from its manifest.
    """
    home.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=home))
    try:
        run_bentoml(["import", str(archive.resolve())], home=scratch)
        verify_artifact(model_path(scratch, version), "ctr_model")
        place_bento(bento_path(scratch, version), bento_path(home, version))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return bento_path(home, version)


def place_bento(built: Path, place: Path) -> None:
    """Move a Bento to its place in a store, at once."""
    with new_folder(place) as folder:
        for child in built.iterdir():
            child.rename(folder / child.name)


def run_bentoml(arguments: list[str], *, home: Path, cwd: Path | None = None) -> str:
    """Return what a ``bentoml`` command prints; raise `ReleaseError` with the end of its log."""
    return _run(["-m", "bentoml", *arguments], home=home, cwd=cwd or home)


def bentoml_environment(home: Path) -> dict[str, str]:
    """Return the environment of BentoML: its store, no telemetry, no code but the Bento's own."""
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONSAFEPATH": "1"}
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | own


def _run(arguments: list[str], *, home: Path, cwd: Path, given: str | None = None) -> str:
    command = [sys.executable, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=bentoml_environment(home),
            input=given,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        )
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout or "it printed nothing").strip().splitlines()
        raise ReleaseError(
            f"BentoML failed: {lines[-1] if lines else ''}",
            where=" ".join(arguments[:4]),
            do="The end of its log:\n" + "\n".join(lines[-15:]),
        ) from None
    except subprocess.TimeoutExpired:
        raise ReleaseError(
            f"BentoML did not end within {PATIENCE_S} s.", where=" ".join(arguments[:4])
        ) from None
    return done.stdout


def _build(model_folder: Path, version: str, labels: Mapping[str, str], scratch: Path) -> Path:
    context = scratch / "context"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", f"{TEMPORARY_PREFIX}*")
    shutil.copytree(_library(), context / "models", ignore=ignore)
    shutil.copytree(model_folder, context / "model")
    (context / "release.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    recipe: dict[str, Any] = {
        "service": SERVICE,
        "name": NAME,
        "version": version,
        "build_ctx": str(context),
        "labels": dict(labels),
        "include": ["models/**", "model/**", "release.json"],
        "python": {
            "packages": [f"{package}=={installed(package)}" for package in PACKAGES],
            "lock_packages": False,
        },
    }
    _run([_program("bento_build")], home=scratch, cwd=context, given=json.dumps(recipe))
    return bento_path(scratch, version)


def _ask(bento: Path, model_folder: Path, version: str, scratch: Path) -> None:
    """Let the Bento answer over its HTTP application, and compare with the model itself."""
    request = smoke_request(Vocabularies.load(model_folder))
    command = [_program("bento_smoke"), str(bento)]
    said = _run(command, home=scratch, cwd=scratch, given=request.model_dump_json())
    answer = json.loads(said.splitlines()[-1])
    if answer["status"] != 200 or not answer["library"].startswith(str(bento.resolve())):
        raise ReleaseError(
            f"The Bento answered with status {answer['status']}, by {answer['library']}.",
            where=str(bento),
            allowed="status 200, by the library inside the Bento",
            do=f"It said: {answer['body']}",
        )
    expected = Predictor.load(model_folder, version=version).score(request).probabilities
    served = answer["body"]["probabilities"]
    pairs = zip(served, expected, strict=True)
    if not all(math.isclose(ours, true, abs_tol=TOLERANCE) for ours, true in pairs):
        raise ReleaseError(
            f"The Bento answers {served}, the model {expected}.",
            where=str(bento),
            allowed=f"a difference of at most {TOLERANCE}",
        )


def smoke_request(vocabularies: Vocabularies) -> ScoreRequest:
    """Return a request with known and unknown items, as a Bento must be able to answer."""
    known = vocabularies.known_items.head(20).to_list()
    now = 1_700_000_000
    return ScoreRequest.model_validate(
        {
            "user_id": next(iter(vocabularies.known_users.head(1).to_list()), None),
            "history": [
                {"item_id": item, "timestamp": now - 3600 * (age + 1)}
                for age, item in enumerate(known[:10])
            ],
            "trigger_item_id": known[0] if known else None,
            "candidates": [*known, "no such item"],
            "timestamp": now,
        }
    )


def _program(name: str) -> str:
    return str(Path(__file__).with_name(f"{name}.py"))


def _stands(place: Path, labels: Mapping[str, str]) -> bool:
    try:
        recipe = yaml.safe_load((place / "bento.yaml").read_text(encoding="utf-8"))
        verify_artifact(place / "src" / "model", "ctr_model")
    except (OSError, yaml.YAMLError, CorruptArtifactError, ProjectError):
        return False
    return {key: recipe.get("labels", {}).get(key) for key in labels} == dict(labels)


def _library() -> Path:
    return Path(str(models.__file__)).parent


def _library_hash() -> str:
    root = _library()
    return digest({str(path.relative_to(root)): file_hash(path) for path in root.rglob("*.py")})
