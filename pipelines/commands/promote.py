"""``intentflow promote VERSION --reason WHY``: a version goes into production."""

import argparse

from pipelines.release_line import add_line, line_folder, who


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the version, the reason and whether the gate's verdict is overridden."""
    parser.add_argument("version", help="a registered version, as `intentflow show` prints it")
    parser.add_argument("--reason", required=True, help="why; it is kept in the history")
    parser.add_argument(
        "--override", action="store_true", help="promote a version the gate did not approve"
    )
    add_line(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the version the production version and print the switch."""
    from steps.adapters.release import production, promote
    from steps.adapters.release_zenml import mark_in_zenml

    folder = line_folder(arguments.line)
    before = production(folder)
    after = promote(
        folder,
        arguments.version,
        reason=arguments.reason,
        who=who(),
        override=arguments.override,
    )
    print(
        f"{folder.name}: {before.version if before else 'nothing'} -> {after.version}", flush=True
    )
    mark_in_zenml(folder, folder.name)
    return 0
