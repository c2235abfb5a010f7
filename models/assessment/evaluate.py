"""The evaluation of a challenger beside its baseline: figures as JSON, and a page to read."""

import json
from collections.abc import Mapping
from pathlib import Path

from models.artifacts import Scalar, read_manifest
from models.assessment.predictions import Evidence, evaluation_input, score_folder
from models.ctr.saved import read_description
from models.data.tables import read_tables
from models.errors import SplitError
from models.files import write_text
from models.reports.evaluation import Evaluation, evaluate
from models.reports.evaluation_page import write_evaluation_page

EVALUATION_FILE = "evaluation.json"


def evaluate_models(
    folders: Mapping[str, Path], into: Path, *, bootstrap: int, seed: int
) -> dict[str, Scalar]:
    """Write evaluation.json and evaluation.html into ``into``; return the figures a summary shows.

    Args:
        folders: The artifacts ``model``, ``baseline``, ``examples``, ``intents`` and ``tables``.
        into: Receives the files.
        bootstrap: Resamples of the users behind each interval.
        seed: Seeds the resampling.

    Raises:
        SplitError: the test split is empty.
    """
    evidence = Evidence.open(folders)
    rows = evidence.store.rows("test")
    if not len(rows):
        raise SplitError(
            "The test split has no examples to evaluate on.",
            where="examples.split",
            do="Give the test split a share or a day of its own.",
        )
    tables = read_tables(folders["tables"])
    name, scores = score_folder(folders["model"], evidence, rows)
    base_name, base_scores = score_folder(folders["baseline"], evidence, rows)
    evaluation = evaluate(
        evaluation_input(evidence, rows, name, scores, tables),
        base_probability=base_scores.probability,
        bootstrap=bootstrap,
        seed=seed,
        base_name=base_name,
    )
    write_text(into / EVALUATION_FILE, evaluation.model_dump_json(indent=1) + "\n")
    write_evaluation_page(
        evaluation,
        training_curves(folders["model"]),
        into,
        title=f"{name} on {tables.spec.name}",
        facts=run_facts(folders, tables.spec.name, bootstrap, seed),
    )
    return summarise(evaluation)


def read_evaluation(folder: Path) -> Evaluation:
    """Return the evaluation that `evaluate_models` wrote."""
    return Evaluation.model_validate_json((folder / EVALUATION_FILE).read_text(encoding="utf-8"))


def summarise(evaluation: Evaluation) -> dict[str, Scalar]:
    """Return the figures that ZenML and ``intentflow show`` list."""
    figures: dict[str, Scalar] = {
        f"test/{name}": metric.value for name, metric in evaluation.metrics.items()
    }
    if evaluation.base is not None:
        figures |= {f"base/{name}": m.value for name, m in evaluation.base.metrics.items()}
        figures |= {f"rela_impr/{name}": v for name, v in evaluation.base.rela_impr.items()}
    if evaluation.intent is not None:
        figures["test/intent_js"] = evaluation.intent.js
        for population in evaluation.intent.populations:
            figures[f"test/intent_js_{population.name}"] = population.js
    return figures


def training_curves(model_folder: Path) -> list[dict[str, Scalar]]:
    """Return the rows of a model's training history."""
    lines = (model_folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def run_facts(
    folders: Mapping[str, Path], data_set: str, bootstrap: int, seed: int
) -> dict[str, str]:
    """Return what reproduces the figures: commit, hashes, settings, seeds."""
    model = read_manifest(folders["model"])
    calibration = read_description(folders["model"]).calibration
    return {
        "Data set": data_set,
        "Tables": read_manifest(folders["tables"]).content_hash[:12],
        "Examples": read_manifest(folders["examples"]).content_hash[:12],
        "Model": model.content_hash[:12],
        "Commit": model.provenance.get("commit", "unknown"),
        "Probabilities": calibration.in_words(),
        "Training seed": str(model.config.get("seed", "unknown")),
        "Bootstrap": f"{bootstrap} resamples of users, seed {seed}",
    }
