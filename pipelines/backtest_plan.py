"""Reads and checks every configuration a backtest names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.assessment.backtest_settings import BacktestConfig, BacktestPlan
from models.settings import config_path, parse_settings, read_yaml
from pipelines.plan import resolve
from steps.adapters.workspace import configs_folder


def plan_backtest(
    name: str, *, days: int | None = None, seeds: Sequence[int] | None = None
) -> BacktestPlan:
    """Return the backtest that ``name`` names, ``days`` and ``seeds`` in place of its own.

    Raises:
        ConfigError: a setting is wrong.
    """
    configs = configs_folder()
    path = config_path("backtests", name, configs)
    given: dict[str, Any] = read_yaml(path)
    given |= {key: value for key, value in (("days", days), ("seeds", seeds)) if value is not None}
    config = parse_settings(BacktestConfig, given, str(path))
    rules = resolve("retraining", config.retraining, configs)
    rules["window"] |= config.window
    model = resolve("models", config.model, configs)
    warm = {**model, "training": {**model["training"], **rules["warm"]["training"]}}
    encoder = None if config.encoder is None else resolve("encoders", config.encoder, configs)
    values = {
        "name": Path(name).stem,
        "dataset": resolve("datasets", config.dataset, configs),
        "model": model,
        "warm_model": warm,
        "encoder": encoder,
        "intents": resolve("intents", config.intents, configs) if encoder else None,
        "rules": rules,
        **config.model_dump(include={"days", "policies", "training", "metric", "seeds"}),
    }
    return parse_settings(BacktestPlan, values, f"{path}, and what it names")
