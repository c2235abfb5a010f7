"""``intentflow env``: the environment as lines a shell evaluates."""

import argparse
import shlex


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take nothing."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Print one ``export`` line a variable."""
    from steps.adapters.environment import read_environment
    from steps.adapters.workspace import project_root

    del arguments
    for key, value in read_environment(project_root()).items():
        print(f"export {key}={shlex.quote(value)}")
    return 0
