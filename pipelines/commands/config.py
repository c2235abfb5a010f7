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
    from models.assessment.benchmark_settings import BenchmarkPlan
    from pipelines.plan import check_file

    plan = check_file(arguments.file)
    if isinstance(plan, BenchmarkPlan):
        print(
            f"{arguments.file}: good. {plan.line}, {len(plan.variants)} variants x "
            f"{len(plan.seeds)} seeds: {', '.join(one.name for one in plan.variants)}; base "
            f"{plan.base}, main {plan.main}."
        )
        return 0
    print(
        f"{arguments.file}: good. Line {plan.line}, model {plan.model['model']}, baseline "
        f"{plan.baseline['model']}, encoder {plan.encoder['encoder']}, tokenizer "
        f"{plan.tokenizer['tokenizer']}."
    )
    return 0
