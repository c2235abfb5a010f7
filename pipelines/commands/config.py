"""``intentflow config check FILE``: every setting a run would use, before it starts."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the file."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check a pipeline file and all that it names")
    check.add_argument("file", type=Path, help="for example configs/pipelines/quickstart.yaml")


def run(arguments: argparse.Namespace) -> int:
    """Print what the file names, or end with every wrong setting told."""
    from pipelines.plan import check_file

    plan = check_file(arguments.file)
    print(
        f"{arguments.file}: good. Line {plan.line}, model {plan.model['model']}, baseline "
        f"{plan.baseline['model']}, encoder {plan.encoder['encoder']}, tokenizer "
        f"{plan.tokenizer['tokenizer']}."
    )
    return 0
