"""Models × seeds on one split: a table with its spread, what each cost, and the figures."""

from typing import Any

from zenml import pipeline
from zenml.enums import ExecutionMode

from models.settings import parse_settings
from pipelines.benchmark_plan import BenchmarkConfig, plan_benchmark
from steps.adapters.raw_data import raw_fingerprint
from steps.adapters.tracking import begin_quickly
from steps.adapters.workspace import begin_run
from steps.bin_intents import bin_intents
from steps.build_examples import build_examples
from steps.embed_items import embed_items
from steps.ingest import ingest
from steps.measure_models import measure_models
from steps.report_benchmark import report_benchmark
from steps.validate import validate
from steps.version_artifacts import version_artifacts


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def benchmark(
    name: str = "benchmark",
    title: str | None = None,
    dataset: str = "movielens_latest_small",
    encoder: str = "minilm",
    intents: str = "default",
    validation: str = "default",
    variants: list[Any] | None = None,
    settings: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    sweep: dict[str, Any] | None = None,
    seeds: list[int] | None = None,
    base: str = "din",
    main: str = "daian",
    seed: int = 1,
    jobs: int | str = "auto",
    threads: int = 1,
    keep_models: bool = False,
    allow_incomplete: bool = False,
    measure: bool = True,
    command: str | None = None,
) -> None:
    """Train every variant with every seed and compare them; docs/how-to/compare-models.md."""
    begin_run()
    begin_quickly()
    given = {
        "name": name, "title": title, "dataset": dataset, "encoder": encoder, "intents": intents,
        "validation": validation, "variants": variants, "settings": settings,
        "training": training, "sweep": sweep, "seeds": seeds, "base": base, "main": main,
        "seed": seed, "jobs": jobs, "threads": threads, "keep_models": keep_models,
        "allow_incomplete": allow_incomplete, "measure": measure, "command": command,
    }  # fmt: skip
    told = {key: value for key, value in given.items() if value is not None}
    plan = plan_benchmark(parse_settings(BenchmarkConfig, told, f"benchmark {name}"))
    planned = plan.model_dump(mode="json")

    # What happened, and what do the items mean?
    tables = ingest(plan.dataset, raw_fingerprint(plan.dataset["settings"]))
    verdict = validate(tables, plan.dataset, plan.validation)
    examples = build_examples(tables, verdict, plan.dataset, plan.examples_seed)
    content = embed_items(tables, verdict, plan.encoder)
    labels = [
        bin_intents(examples, content, levels, id=f"bin_intents_{place}")
        for place, levels in enumerate(plan.intents, start=1)
    ]

    # How good is each model, and how sure is that?
    cells = measure_models(examples, content, labels, tables, planned)
    report = report_benchmark(cells, examples, planned)
    version_artifacts([tables, verdict, examples, content, *labels, cells, report], None, plan.line)
