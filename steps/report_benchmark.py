"""Step: the cells of a benchmark to its tables and its page."""

import logging
from typing import Annotated, Any

from zenml import step

from models.artifacts import ArtifactRef
from models.assessment.benchmark_settings import BenchmarkPlan
from models.settings import parse_settings
from steps.adapters import caching
from steps.adapters.materializers import ArtifactRefMaterializer
from steps.adapters.workspace import local, produce

_log = logging.getLogger(__name__)


@step(enable_cache=False, output_materializers=ArtifactRefMaterializer)
def report_benchmark(
    cells: ArtifactRef, examples: ArtifactRef, plan: dict[str, Any]
) -> Annotated[ArtifactRef, "benchmark"]:
    """Return the tables, the figures and the page; incomplete ones fail unless allowed."""
    from models.assessment.benchmark_report import require_complete, write_report

    config = parse_settings(BenchmarkPlan, plan, "benchmark")
    parents = {"cells": cells, "examples": examples}
    folders = {role: local(ref) for role, ref in parents.items()}
    report = produce(
        "benchmark",
        lambda into: write_report(config, folders, into),
        config={"settings": config.digest, "command": config.command},
        parents=parents,
        library=caching.benchmark_code(),
    )
    _log.info("%s: %s", config.title, local(report) / "benchmark.html")
    require_complete(config, folders["cells"], local(report))
    return report
