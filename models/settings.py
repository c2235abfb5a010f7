"""Configuration: frozen pydantic models read from plain YAML, every mistake reported at once.

A configuration is named, ``configs/<kind>/<name>.yaml``, or given by the path of a file.
"""

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import ConfigError

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of every configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON-able value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def config_path(kind: str, name: str, configs: Path) -> Path:
    """Return the file of configuration ``name``; raise `ConfigError` where there is none."""
    given = Path(name)
    path = given if given.suffix in {".yaml", ".yml"} else configs / kind / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in (configs / kind).glob("*.yaml"))
        close = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"There is no {kind} configuration {name!r}.",
            where=str(path),
            allowed=", ".join(known) or f"none in {configs / kind}",
            do=f"Did you mean {close[0]!r}?"
            if close
            else "Name one of these, or give the path of a YAML file.",
        )
    return path


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raise `ConfigError` with line and column otherwise."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(
            f"Not valid YAML: {problem}.", where=place, do="Correct the line."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the configuration: {error}.", where=str(path)) from None
    if not isinstance(content, dict):
        raise ConfigError(
            f"A configuration is a mapping of keys to values, this is {type(content).__name__}.",
            where=str(path),
            allowed="key: value lines",
        )
    return content


def parse_settings(kind: type[S], values: dict[str, Any], where: str) -> S:
    """Return ``values`` as ``kind``; raise `ConfigError` that lists every wrong key with a hint."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [_describe(kind, problem) for problem in error.errors()]
        raise ConfigError(
            f"{len(problems)} wrong setting{'s' * (len(problems) > 1)}: " + "; ".join(problems),
            where=where,
            allowed="keys: " + ", ".join(kind.model_fields),
            do="Correct the keys named above.",
        ) from None


def load_settings(kind: type[S], path: Path) -> S:
    """Return the YAML file at ``path`` as ``kind``; raise `ConfigError` where it does not fit."""
    return parse_settings(kind, read_yaml(path), str(path))


def _describe(kind: type[BaseModel], problem: Any) -> str:
    key = ".".join(map(str, problem["loc"]))
    if not key:
        return str(problem["msg"])
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(problem["loc"][-1]), list(kind.model_fields), n=1)
        return f"{key!r} is no setting" + (f" (did you mean {close[0]!r}?)" if close else "")
    return f"{key} = {problem['input']!r}: {problem['msg']}"
