"""``intentflow checkout RUN``: the exact files of a run, back from DVC."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the run and where its files shall go."""
    parser.add_argument("name", metavar="RUN", help="a run's name, as `intentflow show` prints it")
    parser.add_argument(
        "--into", type=Path, help="put the files there instead of where they were in the state"
    )


def run(arguments: argparse.Namespace) -> int:
    """Bring the files back, compared byte by byte with what the run stored, and print where."""
    from steps.adapters.dvc import restore_run
    from steps.adapters.workspace import state_folder

    for folder in restore_run(state_folder(), arguments.name, into=arguments.into):
        print(folder)
    return 0
