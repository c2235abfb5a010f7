"""The environment every tool runs in, told in one file: ``configs/environment.env``."""

import os
from pathlib import Path

from models.errors import ConfigError

FILE = Path("configs") / "environment.env"


def read_environment(root: Path) -> dict[str, str]:
    """Return the variables of the project at ``root``, in the order of the file.

    Raises:
        ConfigError: the file is missing, or a line is not ``KEY=value``.
    """
    path = root / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Cannot read the environment: {error}.",
            where=str(path),
            do="Restore it with `git checkout configs/environment.env`.",
        ) from None
    variables: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key, separator, value = line.partition("=")
        if not separator or not key.isidentifier() or " " in value:
            raise ConfigError(
                f"{line!r} is no variable.",
                where=f"{path}, line {number}",
                allowed="KEY=value, without blanks, so that Make, a shell and Python read it alike",
            )
        variables[key] = value.replace("${ROOT}", str(root))
    return variables


def load_environment(root: Path) -> dict[str, str]:
    """Set the variables of the project at ``root`` that are not set yet; return all of the file."""
    variables = read_environment(root)
    for key, value in variables.items():
        os.environ.setdefault(key, value)
    return variables
