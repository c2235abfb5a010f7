"""Reads and checks every configuration a benchmark names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator

from models.assessment.benchmark_settings import BenchmarkPlan, Name, SweepConfig, VariantConfig
from models.errors import ConfigError
from models.settings import Settings, config_path, parse_settings, read_yaml
from pipelines.plan import PARTS, PipelineFile, resolve
from steps.adapters.kept import kept
from steps.adapters.workspace import configs_folder

STARTED_BY = "zenml pipeline run pipelines.benchmark.benchmark -c configs/pipelines/{name}.yaml"


class BenchmarkConfig(Settings):
    """The ``parameters`` of a pipeline file of the benchmark.

    Attributes:
        name: Name of the file, which its results go by.
        title: What the page is headed with.
        dataset: A file of ``configs/datasets``.
        encoder: A file of ``configs/encoders``.
        intents: A file of ``configs/intents``; variants may change its keys.
        validation: A file of ``configs/validation``.
        variants: Each a file of ``configs/models``, or a mapping with the keys of
            `VariantConfig`.
        settings: Keys of the model's own settings that take the place of every model file's; a
            variant's own come before them.
        training: The same of the training.
        sweep: One setting over its values; the keys of `SweepConfig`.
        seeds: Seeds of the trainings.
        base: The variant that RelaImpr is relative to.
        main: The variant of which the p-values tell whether it is better.
        seed: Seed of the examples, the same for all trainings.
        jobs: Trainings at a time; ``auto`` for as many as the cores bear, one on a GPU.
        threads: Threads of each.
        keep_models: Keep every trained model, beside its figures.
        allow_incomplete: End well although cells failed.
        measure: False trains nothing: a report of the cells that are finished.
        command: What runs it again; by default ZenML's command on the file of that name.
    """

    name: Name = "benchmark"
    title: str | None = None
    dataset: str = "movielens_latest_small"
    encoder: str = "minilm"
    intents: str = "default"
    validation: str = "default"
    variants: Annotated[list[VariantConfig], Field(min_length=1)]
    settings: dict[str, Any] = {}
    training: dict[str, Any] = {}
    sweep: SweepConfig | None = None
    seeds: Annotated[list[int], Field(min_length=1)] = [1, 2, 3, 4, 5]
    base: str
    main: str
    seed: int = 1
    jobs: PositiveInt | Literal["auto"] = "auto"
    threads: PositiveInt = 1
    keep_models: bool = False
    allow_incomplete: bool = False
    measure: bool = True
    command: str | None = None

    @field_validator("variants", mode="before")
    @classmethod
    def _names_stand_for_themselves(cls, given: object) -> object:
        """Return the variants as mappings: a plain name is a model as its file has it."""
        if not isinstance(given, list):
            return given
        return [{"name": Path(v).stem, "model": v} if isinstance(v, str) else v for v in given]


class BenchmarkFile(PipelineFile):
    """A file of ``configs/pipelines`` for the benchmark: its parameters name ``variants``."""

    parameters: BenchmarkConfig


def read_benchmark(path: Path) -> BenchmarkFile:
    """Return a pipeline file of the benchmark; raise `ConfigError` where a key is wrong."""
    values = read_yaml(path)
    parameters = values.get("parameters")
    if not isinstance(parameters, dict) or "variants" not in parameters:
        raise ConfigError(
            "This file names no variants to compare.",
            where=str(path),
            allowed="parameters: with variants, base and main",
            do="See configs/pipelines/daian_table1.yaml and docs/how-to/compare-models.md.",
        )
    return parse_settings(BenchmarkFile, values, str(path))


def plan_benchmark(config: BenchmarkConfig) -> BenchmarkPlan:
    """Return all settings of a benchmark, every variant's filled in.

    As in `plan_run`, what was planned before from the same files by the same code is read back.

    Raises:
        ConfigError: a setting is wrong; the first that is.
    """
    configs = configs_folder()
    named = [(kind, getattr(config, part)) for part, kind in PARTS.items() if hasattr(config, part)]
    named += [("models", variant.model) for variant in config.variants]
    files = [config_path(kind, name, configs) for kind, name in named]
    contents = [path.read_text(encoding="utf-8") for path in files]
    given = [config.model_dump(), contents]
    return kept(BenchmarkPlan, given, lambda: _make_plan(config, configs))


def _make_plan(config: BenchmarkConfig, configs: Path) -> BenchmarkPlan:
    where = f"benchmark {config.name}"
    levels: list[dict[str, Any]] = []
    variants: list[dict[str, Any]] = []
    for variant in _swept(config, where):
        try:
            parts = ("settings", "training")
            over = {part: getattr(config, part) | getattr(variant, part) for part in parts}
            model = resolve("models", variant.model, configs, over)
            found = resolve("intents", config.intents, configs, variant.intents)
        except ConfigError as error:
            raise ConfigError(
                error.what,
                where=f"variant {variant.name!r} of {where}: {error.where}",
                allowed=error.allowed,
                do=error.do,
            ) from None
        if found not in levels:
            levels.append(found)
        variants.append({"name": variant.name, "model": model, "intents": levels.index(found)})
    names = {part: getattr(config, part) for part in ("dataset", "encoder", "intents")}
    values = {
        **config.model_dump(
            include={
                *("name", "seeds", "base", "main", "sweep"),
                *("jobs", "threads", "keep_models", "allow_incomplete", "measure"),
            }
        ),
        "title": config.title or config.name,
        "line": Path(config.dataset).stem,
        "dataset": resolve("datasets", config.dataset, configs),
        "encoder": resolve("encoders", config.encoder, configs),
        "validation": resolve("validation", config.validation, configs),
        "names": names,
        "intents": levels,
        "variants": variants,
        "examples_seed": config.seed,
        "command": config.command or STARTED_BY.format(name=config.name),
    }
    return parse_settings(BenchmarkPlan, values, where)


def _swept(config: BenchmarkConfig, where: str) -> Sequence[VariantConfig]:
    """Return the variants, the swept one replaced by one for each value."""
    given, sweep = config.variants, config.sweep
    if sweep is None:
        return given
    if sweep.variant not in {one.name for one in given}:
        raise ConfigError(
            f"The sweep is over {sweep.variant!r}, which is none of the variants.",
            where=f"{where}, sweep.variant",
            allowed=", ".join(one.name for one in given),
            do="List it under variants, or name one of those.",
        )
    return [
        made
        for one in given
        for made in (_over(one, sweep) if one.name == sweep.variant else [one])
    ]


def _over(variant: VariantConfig, sweep: SweepConfig) -> list[VariantConfig]:
    section = sweep.key.split(".")[0]
    before: Mapping[str, Any] = getattr(variant, section)
    return [
        variant.model_copy(
            update={"name": sweep.name_of(value), section: {**before, sweep.setting: value}}
        )
        for value in sweep.values
    ]
