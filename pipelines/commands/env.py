"""``intentflow env``: the environment as lines a shell evaluates."""

import argparse
import shlex

from steps.adapters.environment import load_environment
from steps.adapters.workspace import project_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take nothing."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Print one ``export`` line a variable."""
    del arguments
    for key, value in load_environment(project_root()).items():
        print(f"export {key}={shlex.quote(value)}")
    return 0
