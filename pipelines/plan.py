"""Reads and checks every configuration of a run before anything of it starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.assessment.backtest_settings import BacktestConfig
from models.assessment.benchmark_settings import BenchmarkPlan
from models.assessment.retraining import RetrainingConfig, recipe_of
from models.ctr.config import CTRConfig
from models.ctr.registry import MODELS
from models.data.datasets.registry import DATASETS, DatasetConfig
from models.encoders.config import EncoderConfig
from models.encoders.registry import ENCODERS
from models.intents.config import IntentConfig
from models.registry import Registry
from models.settings import Settings, config_path, digest, parse_settings, read_yaml
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.registry import TOKENIZERS
from steps.adapters.kept import kept
from steps.adapters.settings import DriftConfig, ReleaseConfig, ScheduleConfig, ValidationConfig
from steps.adapters.workspace import configs_folder

FORMS: dict[str, type[Settings]] = {
    "datasets": DatasetConfig,
    "validation": ValidationConfig,
    "encoders": EncoderConfig,
    "intents": IntentConfig,
    "tokenizers": TokenizerConfig,
    "models": CTRConfig,
    "drift": DriftConfig,
    "release": ReleaseConfig,
    "retraining": RetrainingConfig,
    "backtests": BacktestConfig,
    "schedules": ScheduleConfig,
}
# The key that names the component, its registry, and what the component calls its settings form.
COMPONENTS: dict[str, tuple[str, Registry, str]] = {
    "datasets": ("adapter", DATASETS, "settings_type"),
    "encoders": ("encoder", ENCODERS, "settings_type"),
    "tokenizers": ("tokenizer", TOKENIZERS, "settings_type"),
    "models": ("model", MODELS, "config_type"),
}


# The parameter of a run that names a file, and the folder of configs/ it is in.
PARTS = {
    "dataset": "datasets",
    "encoder": "encoders",
    "intents": "intents",
    "tokenizer": "tokenizers",
    "model": "models",
    "baseline": "models",
    "validation": "validation",
    "drift": "drift",
    "release": "release",
}


class RunConfig(Settings):
    """The ``parameters`` of a pipeline file: the name of a configuration for each part.

    Attributes:
        dataset: A file of ``configs/datasets``; it also names the line of releases.
        encoder: A file of ``configs/encoders``.
        intents: A file of ``configs/intents``.
        tokenizer: A file of ``configs/tokenizers``.
        model: A file of ``configs/models``, the challenger.
        baseline: A file of ``configs/models`` that the evaluation is relative to.
        validation: A file of ``configs/validation``.
        drift: A file of ``configs/drift``.
        release: A file of ``configs/release``.
        bootstrap: Resamples of the users behind every confidence interval.
        seed: Where all randomness comes from.
    """

    dataset: str = "movielens_latest_small"
    encoder: str = "minilm"
    intents: str = "default"
    tokenizer: str = "rqvae"
    model: str = "daian"
    baseline: str = "din"
    validation: str = "default"
    drift: str = "default"
    release: str = "default"
    bootstrap: int = 200
    seed: int = 1


class RetrainingRun(RunConfig):
    """The ``parameters`` of a pipeline file of the retraining: those of a run, and which window.

    Attributes:
        retraining: A file of ``configs/retraining``.
        until: ISO time, of UTC unless it names a zone: what came later is not looked at. A
            schedule gives the instant it was due; null takes the newest complete window.
        window: Keys of ``window:`` in that file, which take the place of its own.
    """

    retraining: str
    until: str | None = None
    window: dict[str, Any] | None = None


class PipelineFile(Settings):
    """The keys of a file of ``configs/pipelines`` that ZenML reads."""

    enable_cache: bool | None = None
    run_name: str | None = None
    tags: list[str] | None = None
    extra: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    retry: dict[str, Any] | None = None
    steps: dict[str, Any] | None = None


class RunFile(PipelineFile):
    """A file of ``configs/pipelines`` for the workflow: our parameters beside ZenML's keys."""

    parameters: RunConfig = RunConfig()


class RetrainingFile(PipelineFile):
    """A file of ``configs/pipelines`` for the retraining: its parameters name ``retraining``."""

    parameters: RetrainingRun


class Plan(Settings):
    """Every setting of a run, checked, as the plain values that steps and cache keys can hold."""

    line: str
    dataset: dict[str, Any]
    encoder: dict[str, Any]
    intents: dict[str, Any]
    tokenizer: dict[str, Any]
    model: dict[str, Any]
    baseline: dict[str, Any]
    validation: dict[str, Any]
    drift: dict[str, Any]
    release: dict[str, Any]


class RetrainingPlan(Plan):
    """Every setting of a retraining.

    Attributes:
        retraining: Where windows end, when they are trained on, when the tokenizer is renewed.
        warm_model: ``model``, with the training settings of a warm start.
        recipe: Digest of what a warm start must share with the champion.
        settings: Digest of all of it, the seed included: a window is over for these settings.
    """

    retraining: dict[str, Any]
    warm_model: dict[str, Any]
    recipe: str
    settings: str


def plan_run(config: RunConfig) -> Plan:
    """Return all settings ``config`` names; raise `ConfigError` for the first that is wrong.

    What was planned before from the same files by the same code is read back: nothing of the
    library, torch least of all, is loaded for it.
    """
    configs = configs_folder()
    files = [config_path(kind, getattr(config, part), configs) for part, kind in PARTS.items()]
    contents = [path.read_text(encoding="utf-8") for path in files]
    return kept(Plan, [config.model_dump(), contents], lambda: make_plan(config, configs))


def make_plan(config: RunConfig, configs: Path) -> Plan:
    """Return all settings ``config`` names, read and checked."""
    parts = {part: resolve(kind, getattr(config, part), configs) for part, kind in PARTS.items()}
    return Plan(line=Path(config.dataset).stem, **parts)


def plan_retraining(config: RetrainingRun) -> RetrainingPlan:
    """Return all settings of a retraining, its windows dividing the data set's impressions.

    Raises:
        ConfigError: a setting is wrong; the first that is.
    """
    configs = configs_folder()
    values = resolve("retraining", config.retraining, configs)
    given = {**values["window"], **(config.window or {})}
    where = f"{config_path('retraining', config.retraining, configs)}, with parameter window"
    rules = parse_settings(RetrainingConfig, {**values, "window": given}, where)
    plan = plan_run(config).model_dump()
    plan["dataset"]["examples"]["split"] = rules.window.split().model_dump(mode="json")
    training = {**plan["model"]["training"], **rules.warm.training}
    warm = parse_settings(CTRConfig, {**plan["model"], "training": training}, f"{where}, warm")
    plan |= {
        "retraining": rules.model_dump(mode="json"),
        "warm_model": warm.model_dump(mode="json"),
    }
    whole = digest([plan, config.seed, config.bootstrap])
    return RetrainingPlan(**plan, recipe=recipe_of(plan), settings=whole[:16])


def resolve(
    kind: str, name: str, configs: Path, over: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return ``configs/<kind>/<name>.yaml`` as plain values with every default filled in.

    Args:
        kind: The folder.
        name: The file, or the path of one.
        configs: The folder of the configurations.
        over: Keys that take the place of the file's; of a mapping, its keys do.
    """
    path = config_path(kind, name, configs)
    given = read_yaml(path)
    for key, value in (over or {}).items():
        old = given.get(key)
        given[key] = {**(old or {}), **value} if isinstance(value, Mapping) else value
    values = parse_settings(FORMS[kind], given, str(path)).model_dump(mode="json")
    if kind in COMPONENTS:
        key, registry, form = COMPONENTS[kind]
        component = registry[values[key]]
        own = parse_settings(getattr(component, form), values["settings"], f"{path}, settings")
        values["settings"] = own.model_dump(mode="json")
    return values


def check_file(path: Path) -> Plan | BenchmarkPlan:
    """Return the plan of a pipeline file; ZenML itself would ignore a misspelt key silently."""
    values = read_yaml(path)
    parameters = values.get("parameters")
    if isinstance(parameters, dict) and "variants" in parameters:
        from pipelines.benchmark_plan import plan_benchmark, read_benchmark

        return plan_benchmark(read_benchmark(path).parameters)
    if isinstance(parameters, dict) and "retraining" in parameters:
        return plan_retraining(parse_settings(RetrainingFile, values, str(path)).parameters)
    return make_plan(parse_settings(RunFile, values, str(path)).parameters, configs_folder())
