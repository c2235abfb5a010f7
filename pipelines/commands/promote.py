"""``intentflow promote VERSION --reason WHY``: a version goes into production."""

import argparse

from pipelines.release_changes import add_reason, tell_change
from pipelines.release_line import line_folder, who


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the version, the reason and whether the gate's verdict is overridden."""
    parser.add_argument("version", help="a registered version, as `intentflow show` prints it")
    parser.add_argument(
        "--override", action="store_true", help="promote a version the gate did not approve"
    )
    add_reason(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the version the production version and print the switch."""
    from steps.adapters.release import production, promote

    folder = line_folder(arguments.line)
    before = production(folder)
    after = promote(
        folder,
        arguments.version,
        reason=arguments.reason,
        who=who(),
        override=arguments.override,
    )
    old = before.version if before else None
    return tell_change(folder, "promote", old, after.version, as_json=arguments.json)
