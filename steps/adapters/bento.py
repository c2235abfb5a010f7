"""Bentos: a model folder and the library that serves it, built offline and asked before use.

BentoML runs in processes of its own: a second build in one process would serve the module of the
first. A Bento appears in its store only as a whole, after it has answered.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import yaml

import models
from models.artifacts import file_hash, verify_artifact
from models.errors import CorruptArtifactError, ProjectError, ReleaseError
from models.files import TEMPORARY_PREFIX, own_prefix, write_text
from models.serving import golden
from models.serving.request import ScoreRequest
from models.settings import digest
from steps.adapters.bento_store import (
    NAME,
    BentoRef,
    bento_path,
    export_bento,
    import_bento,
    model_path,
    place_bento,
    size_of,
)

__all__ = [
    "BentoRef",
    "ask_bento",
    "bento_path",
    "bentoml_environment",
    "build_bento",
    "export_bento",
    "import_bento",
    "model_path",
]

SERVICE = "models.serving.service:ScoringService"
# What the service imports; the Bento's image installs these versions.
PACKAGES = ("jaxtyping", "numpy", "polars", "pydantic", "pyyaml", "safetensors", "torch", "tqdm")
PATIENCE_S = 600


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
            expected = _golden(model_folder, version)
            built = _build(model_folder, expected, version, labels, scratch)
            _ask(built, expected.answers[0], scratch)
            place_bento(built, place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    write_text(place.parent / "latest", version)
    return BentoRef(
        tag=f"{NAME}:{version}",
        path=str(place),
        home=str(home),
        version=version,
        model_hash=labels["model_hash"],
        size_bytes=size_of(place),
    )


def ask_bento(bento: Path, requests: Sequence[ScoreRequest], *, home: Path) -> list[list[float]]:
    """Return the probabilities with which a Bento answers, asked over its HTTP application.

    It runs in a process of its own, by the library inside it.

    Args:
        bento: The Bento's folder.
        requests: What it is asked, in order.
        home: A BENTOML_HOME, in which nothing has to be.

    Raises:
        ReleaseError: it cannot be loaded, refuses a request, or another library answers for it.
    """
    given = "".join(f"{request.model_dump_json()}\n" for request in requests)
    said = _run([_program("bento_smoke"), str(bento)], home=home, cwd=home, given=given)
    answers = [json.loads(line) for line in said.splitlines()[-len(requests) :]]
    for answer in answers:
        if answer["status"] != 200 or not answer["library"].startswith(str(bento.resolve())):
            raise ReleaseError(
                f"The Bento answered with status {answer['status']}, by {answer['library']}.",
                where=str(bento),
                allowed="status 200, by the library inside the Bento",
                do=f"It said: {answer['body']}",
            )
    return [answer["body"]["probabilities"] for answer in answers]


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


def _golden(model_folder: Path, version: str) -> golden.Golden:
    from models.serving.predictor import Predictor  # torch: who only rolls back does not wait

    return golden.record(Predictor.load(model_folder, version=version))


def _build(
    model_folder: Path,
    expected: golden.Golden,
    version: str,
    labels: Mapping[str, str],
    scratch: Path,
) -> Path:
    context = scratch / "context"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", f"{TEMPORARY_PREFIX}*")
    shutil.copytree(_library(), context / "models", ignore=ignore)
    shutil.copytree(model_folder, context / "model")
    (context / "release.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    (context / golden.FILE).write_text(expected.model_dump_json(indent=1) + "\n", encoding="utf-8")
    recipe: dict[str, Any] = {
        "service": SERVICE,
        "name": NAME,
        "version": version,
        "build_ctx": str(context),
        "labels": dict(labels),
        "include": ["models/**", "model/**", "release.json", golden.FILE],
        "python": {
            "packages": [f"{package}=={installed(package)}" for package in PACKAGES],
            "lock_packages": False,
        },
    }
    _run([_program("bento_build")], home=scratch, cwd=context, given=json.dumps(recipe))
    return bento_path(scratch, version)


def _ask(bento: Path, expected: golden.GoldenAnswer, scratch: Path) -> None:
    """Let the Bento answer over its HTTP application, and compare with the model itself."""
    (served,) = ask_bento(bento, [expected.request], home=scratch)
    if not golden.alike(served, expected.probabilities):
        raise ReleaseError(
            f"The Bento answers {served}, the model {list(expected.probabilities)}.",
            where=str(bento),
            allowed=f"a difference of at most {golden.TOLERANCE}",
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
