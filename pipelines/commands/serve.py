"""``intentflow serve``: the production model over HTTP, on this machine, until Ctrl-C."""

import argparse
import os
import sys
from pathlib import Path

from models.errors import ConfigError, ReleaseError
from pipelines.release_line import add_line, line_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the port, the number of processes and which version."""
    parser.add_argument("--port", type=int, default=3000, help="port on 127.0.0.1")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", help="a registered version instead of the production one")
    which.add_argument(
        "--no-follow",
        action="store_true",
        help="stay with today's production version when another one is promoted",
    )
    add_line(parser)


def run(arguments: argparse.Namespace) -> int:
    """Become the server: signals and the exit code are BentoML's own."""
    from steps.adapters.bento import bentoml_environment

    if arguments.workers < 1:
        raise ConfigError(
            f"{arguments.workers} processes cannot serve.", where="--workers", allowed="1 or more"
        )
    line = line_folder(arguments.line)
    bento, home = _bento(line, arguments.version)
    follows = arguments.version is None and not arguments.no_follow
    address = ["--host", "127.0.0.1", "--port", str(arguments.port)]
    told = f"serves {bento.name}" + (f" and follows {line.name}" if follows else "")
    print(f"http://127.0.0.1:{arguments.port} {told} (Ctrl-C ends it)", flush=True)
    os.chdir(home)
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), *address]
    environment = bentoml_environment(home) | _settings(line if follows else None, arguments)
    os.execve(sys.executable, command, environment)


def _settings(line: Path | None, arguments: argparse.Namespace) -> dict[str, str]:
    """Return what the serving processes are told; models/serving/service.py reads it."""
    return {
        "INTENTFLOW_LINE": "" if line is None else str(line),
        "BENTOML_CONFIG_OPTIONS": f"services.intentflow.workers={arguments.workers}",
    }


def _bento(line: Path, version: str | None) -> tuple[Path, Path]:
    """Return the Bento's folder and the store it lies in."""
    from steps.adapters.bento import bento_path
    from steps.adapters.release import production, production_home, releases
    from steps.adapters.workspace import state_folder

    if version is None:
        release = production(line)
        if release is None:
            raise ReleaseError(
                f"No version of {line.name} is in production.",
                allowed=", ".join(known.version for known in releases(line)),
                do="Promote one of these, or serve it as it is: --version.",
            )
        version = release.version
    for home in (production_home(line), state_folder() / "bento"):
        if bento_path(home, version).is_dir():
            return bento_path(home, version), home
    raise ReleaseError(
        f"There is no Bento of version {version!r}.",
        where=line.name,
        allowed=", ".join(known.version for known in releases(line)),
        do="Name one of these, or run the pipeline that made it again.",
    )
