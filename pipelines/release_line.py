"""Which line of releases a command means: the one named, else the only or most recent one."""

import argparse
import getpass
from pathlib import Path

from models.errors import MissingDataError, ReleaseError


def add_line(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the option ``--line``."""
    parser.add_argument(
        "--line",
        help="line of releases, named by its data set configuration; by default the only one, "
        "or the one the latest run belongs to",
    )


def line_folder(asked: str | None) -> Path:
    """Return the folder of the releases of the line meant.

    Raises:
        ReleaseError: there is no such line, or none at all.
    """
    from steps.adapters.releases import release_folder

    return release_folder(line_name(asked))


def line_name(asked: str | None) -> str:
    """Return the name of the line meant; raise `ReleaseError` where there is none."""
    from steps.adapters.releases import lines

    known = lines()
    name = asked or _default(known)
    if name not in known:
        raise ReleaseError(
            f"There is no line of releases {name!r}." if name else "Nothing was released yet.",
            allowed=", ".join(known) or "a line appears with its first run",
            do="Name one of these with --line." if known else "Run the pipeline first: make run",
        )
    return name


def who() -> str:
    """Return the name that the history of releases records for this user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in a container
        return "unknown"


def _default(known: list[str]) -> str:
    from steps.adapters.runs import read_report

    if len(known) == 1:
        return known[0]
    try:
        return read_report().line
    except MissingDataError:
        return ""
