"""Checks a schedule with all that it names, before it is installed."""

import ast
import difflib
from pathlib import Path

from models.errors import ConfigError
from models.settings import config_path, parse_settings, read_yaml
from pipelines.plan import check_file
from steps.adapters.schedule_config import NAME, ScheduleConfig
from steps.adapters.workspace import configs_folder, project_root


def plan_schedule(name: str) -> tuple[str, Path, ScheduleConfig]:
    """Return name, file and settings of a schedule whose pipeline would start with its settings.

    Args:
        name: A file of ``configs/schedules``, or the path of one.

    Raises:
        ConfigError: the file, the pipeline or the pipeline's file is wrong.
    """
    path = config_path("schedules", name, configs_folder())
    config = parse_settings(ScheduleConfig, read_yaml(path), str(path))
    if not NAME.fullmatch(path.stem):
        raise ConfigError(
            f"A schedule cannot be named {path.stem!r}.",
            where=str(path),
            allowed="up to 63 small letters, digits, - and _, a letter or digit first",
            do="Rename the file.",
        )
    accepted = _parameters(config, path)
    file = config_path("pipelines", config.config, configs_folder())
    given = read_yaml(file).get("parameters") or {}
    wrong = [key for key in given if key not in accepted]
    if wrong:
        raise ConfigError(
            f"The pipeline {config.pipeline!r} has no parameter {wrong[0]!r}.",
            where=f"{file}, named by {path}",
            allowed=", ".join(accepted) or "none",
            do="Name a pipeline file that was written for this pipeline.",
        )
    if "." not in config.pipeline:
        check_file(file)
    _check_window(config, path, accepted)
    return path.stem, path, config


def schedule_files() -> list[str]:
    """Return the names in ``configs/schedules``."""
    return sorted(path.stem for path in (configs_folder() / "schedules").glob("*.yaml"))


def _parameters(config: ScheduleConfig, where: Path) -> list[str]:
    """Return the parameters of the pipeline, read from its file: importing it takes seconds."""
    module, _, name = config.source.rpartition(".")
    file = project_root() / Path(*module.split(".")).with_suffix(".py")
    functions = {
        node.name: node
        for node in (ast.parse(file.read_text(encoding="utf-8")).body if file.is_file() else [])
        if isinstance(node, ast.FunctionDef)
    }
    if name not in functions:
        from pipelines.commands.list import pipelines

        known = pipelines()
        close = difflib.get_close_matches(config.pipeline, known, n=1)
        raise ConfigError(
            f"There is no pipeline {config.pipeline!r}.",
            where=f"{where}, pipeline",
            allowed=", ".join(known) + ", or the dotted path of one below the project's root",
            do=f"Did you mean {close[0]!r}?" if close else f"Looked for {name}() in {file}.",
        )
    arguments = functions[name].args
    return [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]


def _check_window(config: ScheduleConfig, path: Path, accepted: list[str]) -> None:
    wanted = [] if config.window is None else ["until"]
    if config.window is not None and config.window.parameters is not None:
        wanted.append("window")
    missing = [name for name in wanted if name not in accepted]
    if missing:
        raise ConfigError(
            f"The pipeline {config.pipeline!r} takes no {missing[0]!r}, and window: gives it one.",
            where=f"{path}, window",
            do="Leave window out, or schedule a pipeline that takes it, such as retraining.",
        )
