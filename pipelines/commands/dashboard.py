"""``intentflow dashboard``: ZenML's dashboard, on this machine, until Ctrl-C."""

import argparse
import os
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the port."""
    parser.add_argument("--port", type=int, default=8237, help="port on 127.0.0.1")


def run(arguments: argparse.Namespace) -> int:
    """Become the dashboard's server: signals and the exit code are ZenML's own.

    In the foreground on purpose: ZenML's background server also becomes the store that later runs
    talk to, and once it is gone they fail until somebody thinks of logging out.
    """
    from steps.adapters.tracking import skip_survey

    skip_survey()
    zenml = Path(sys.executable).with_name("zenml")
    address = ["--ip-address", "127.0.0.1", "--port", str(arguments.port)]
    print(f"http://127.0.0.1:{arguments.port} (Ctrl-C ends it)", flush=True)
    os.execv(zenml, [str(zenml), "login", "--local", "--blocking", *address])
