"""The cells of a benchmark in the state folder: what each is keyed by, and where it lies."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.artifacts import ArtifactRef
from models.assessment.benchmark_jobs import CellJob, StoredCell
from models.assessment.benchmark_runs import CellRuns, run_cells
from models.assessment.benchmark_settings import BenchmarkPlan, Variant
from models.ctr.registry import MODELS
from models.errors import MissingDataError, TrainingError
from models.settings import digest
from steps.adapters.imported_code import imported_code
from steps.adapters.workspace import git_commit, local, state_folder

CELL_PROGRAM = "models.assessment.benchmark_cell"


def cells_folder() -> Path:
    """Return where every cell of every benchmark has a folder, named by its key."""
    return state_folder() / "benchmarks" / "cells"


def cell_jobs(
    plan: BenchmarkPlan, inputs: Mapping[str, ArtifactRef], labels: Sequence[ArtifactRef]
) -> list[CellJob]:
    """Return the grid, seed by seed, so that a table of fewer seeds is whole the sooner.

    Args:
        plan: The benchmark.
        inputs: The artifacts under ``examples``, ``content`` and ``tables``.
        labels: The intent labels of each of the plan's intents.
    """
    folders = {role: local(ref) for role, ref in inputs.items()}
    levels = [local(ref) for ref in labels]
    hashes = {role: ref.content_hash for role, ref in inputs.items()}
    return [
        CellJob(
            key=_key(hashes, plan, variant, seed),
            code=_code(variant.model.model),
            variant=variant.name,
            model=variant.model,
            seed=seed,
            threads=plan.threads,
            folders={**folders, "intents": levels[variant.intents]},
            commit=git_commit(),
            keep_model=plan.keep_models,
        )
        for seed in plan.seeds
        for variant in plan.variants
    ]


def run_grid(plan: BenchmarkPlan, jobs: Sequence[CellJob]) -> CellRuns:
    """Return what became of the cells.

    Raises:
        TrainingError: none of them can be measured.
        MissingDataError: none of them is finished, and they are not to be measured.
    """
    runs = run_cells(
        jobs,
        cells_folder(),
        _slots(plan, jobs),
        is_current=lambda job: _code(job.model.model) == job.code,
        measure=plan.measure,
    )
    if not runs.found and not plan.measure:
        raise MissingDataError(
            f"None of {len(jobs)} cells is finished.",
            where=f"benchmark {plan.name}, {cells_folder()}",
            do="Run the benchmark itself first, without --so-far.",
        )
    if not runs.found:
        first = next(job for job in jobs if job.key in runs.failed)
        raise TrainingError(
            f"None of {len(jobs)} cells could be measured. {first.name}: {runs.failed[first.key]}",
            where=f"benchmark {plan.name}",
            do="Correct what the log named here tells, and run the benchmark again.",
        )
    return runs


def found_cells(jobs: Sequence[CellJob], runs: CellRuns) -> list[StoredCell]:
    """Return the finished cells, each under the name its variant has in this benchmark."""
    return [
        found.model_copy(update={"cell": found.cell.model_copy(update={"variant": job.variant})})
        for job in jobs
        if (found := runs.found.get(job.key)) is not None
    ]


def missing_cells(jobs: Sequence[CellJob], runs: CellRuns) -> list[str]:
    """Return the other cells, each with the reason."""
    return [f"{job.name}: {runs.failed[job.key]}" for job in jobs if job.key in runs.failed]


def _key(hashes: Mapping[str, str], plan: BenchmarkPlan, variant: Variant, seed: int) -> str:
    settings = variant.model.model_dump(mode="json")
    levels, code = plan.intents[variant.intents], _code(variant.model.model)
    return digest([dict(hashes), levels, settings, seed, code])[:16]


def _code(model: str) -> str:
    """Return the hash of what trains and evaluates a model, as it is on disk now."""
    return imported_code((CELL_PROGRAM, MODELS[model].__module__))


def _slots(plan: BenchmarkPlan, jobs: Sequence[CellJob]) -> int:
    """Return how many cells to measure at a time; alone on a GPU, where they would share it."""
    if plan.jobs != "auto":
        return plan.jobs
    from models.training.trainer import pick_device

    if any(pick_device(job.model.training.device).type != "cpu" for job in jobs):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // plan.threads)
