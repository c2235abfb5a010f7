"""The gate's verdict as an artifact: measured, judged, written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.artifacts import ArtifactRef, Scalar
from models.assessment.compare import compare_models, write_comparison
from models.assessment.evaluate import read_evaluation
from models.settings import parse_settings
from steps.adapters.bento import BentoRef
from steps.adapters.release_config import ReleaseConfig
from steps.adapters.release_evidence import look_around, observe
from steps.adapters.release_gate import judge, keep_itself
from steps.adapters.releases import champion_folder
from steps.adapters.workspace import local


def compare(
    into: Path,
    parents: Mapping[str, ArtifactRef],
    bento: BentoRef | None,
    settings: dict[str, Any],
    line: str,
    champion: str,
    bootstrap: int,
    seed: int,
) -> dict[str, Scalar]:
    """Write the verdict and its page into ``into``, and return what a summary shows.

    Args:
        into: Receives the files.
        parents: The artifacts ``challenger``, ``evaluation``, ``examples``, ``intents`` and, where
            there are any, ``drift`` and ``semantic_ids``.
        bento: The challenger's Bento.
        settings: The content of a file of ``configs/release``.
        line: The line of releases.
        champion: The production model's content hash; "" before the first release.
        bootstrap: Resamples of the users behind each interval.
        seed: Seeds the resampling.
    """
    config = parse_settings(ReleaseConfig, settings, "release")
    folders = {role: local(ref) for role, ref in parents.items()}
    serving = champion_folder(line)
    compared = compare_models(folders, serving, bootstrap=bootstrap, seed=seed)
    if champion == parents["challenger"].content_hash:
        return write_comparison(keep_itself(compared), into)
    around = look_around(compared, parents.get("drift"), parents.get("semantic_ids"), line)
    seen = observe(around, folders, serving, config.gate, bento)
    return write_comparison(judge(seen, read_evaluation(folders["evaluation"]), config), into)
