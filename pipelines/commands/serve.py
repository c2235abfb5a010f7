"""``intentflow serve``: the production model over HTTP, on this machine, until Ctrl-C."""

import argparse
import os
import sys
from pathlib import Path

from models.errors import ReleaseError
from pipelines.release_line import add_line, line_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the port and the version."""
    parser.add_argument("--port", type=int, default=3000, help="port on 127.0.0.1")
    parser.add_argument("--version", help="a registered version instead of the production one")
    add_line(parser)


def run(arguments: argparse.Namespace) -> int:
    """Become the server: signals and the exit code are BentoML's own."""
    from steps.adapters.bento import bentoml_environment

    bento, home = _bento(line_folder(arguments.line), arguments.version)
    address = ["--host", "127.0.0.1", "--port", str(arguments.port)]
    print(f"http://127.0.0.1:{arguments.port} serves {bento.name} (Ctrl-C ends it)", flush=True)
    os.chdir(home)
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), *address]
    os.execve(sys.executable, command, bentoml_environment(home))


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
