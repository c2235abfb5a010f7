"""``intentflow rollback --reason WHY``: the version before the current one goes into production."""

import argparse

from pipelines.release_line import add_line, line_folder, who


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the reason."""
    parser.add_argument("--reason", required=True, help="why; it is kept in the history")
    add_line(parser)


def run(arguments: argparse.Namespace) -> int:
    """Go one version back and print the switch."""
    from steps.adapters.release import production, rollback
    from steps.adapters.release_zenml import mark_in_zenml

    folder = line_folder(arguments.line)
    before = production(folder)
    after = rollback(folder, reason=arguments.reason, who=who())
    print(
        f"{folder.name}: {before.version if before else 'nothing'} -> {after.version}", flush=True
    )
    mark_in_zenml(folder, folder.name)
    return 0
