"""Step: every variant of a benchmark trained with every seed, and scored on the test split."""

from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.benchmark_settings import BenchmarkPlan
from models.settings import parse_settings
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.tracking import record
from steps.adapters.workspace import produce


@step(enable_cache=False, output_materializers=ArtifactRefMaterializer)
def measure_models(
    examples: ArtifactRef,
    content: ArtifactRef,
    labels: list[ArtifactRef],
    tables: ArtifactRef,
    plan: dict[str, Any],
) -> Annotated[ArtifactRef, "benchmark_cells"]:
    """Return the cells of a benchmark; those that any benchmark measured before are read back."""
    from models.assessment.benchmark_grid import write_grid
    from steps.adapters.benchmark_cells import cell_jobs, found_cells, missing_cells, run_grid

    config = parse_settings(BenchmarkPlan, plan, "benchmark")
    inputs = {"examples": examples, "content": content, "tables": tables}
    jobs = cell_jobs(config, inputs, labels)
    runs = run_grid(config, jobs)
    found, missing = found_cells(jobs, runs), missing_cells(jobs, runs)
    record({"cells": len(found), "incomplete": missing})
    return produce(
        "benchmark_cells",
        lambda into: write_grid(found, missing, into),
        config={"cells": [[one.cell.variant, one.cell.key] for one in found], "missing": missing},
        parents=inputs | {f"intents_{place}": ref for place, ref in enumerate(labels)},
        library="",
    )
