"""``intentflow drift-ui``: the Evidently workspace, on this machine, until Ctrl-C."""

import argparse
import os


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the port."""
    parser.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1")


def run(arguments: argparse.Namespace) -> int:
    """Become the workspace's server: signals and the exit code are Evidently's own."""
    from models.errors import MissingDataError
    from steps.adapters.evidently import drift_ui
    from steps.adapters.workspace import state_folder

    workspace = state_folder() / "evidently"
    if not workspace.is_dir():
        raise MissingDataError(
            "No drift report was made yet.",
            where=str(workspace),
            do="Run the pipeline first: make run",
        )
    print(f"http://127.0.0.1:{arguments.port} (Ctrl-C ends it)", flush=True)
    command = drift_ui(workspace, arguments.port)
    os.execvp(command[0], command)
