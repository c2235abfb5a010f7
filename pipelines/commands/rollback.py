"""``intentflow rollback --reason WHY``: the version before the current one goes into production."""

import argparse

from pipelines.release_changes import add_reason, tell_change
from pipelines.release_line import line_folder, who


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the reason, and how far to go back."""
    parser.add_argument("--to", metavar="VERSION", help="go back further, to this version")
    parser.add_argument(
        "--wait", action="store_true", help="until ZenML's stages have followed, some seconds"
    )
    add_reason(parser)


def run(arguments: argparse.Namespace) -> int:
    """Go back and print the switch; ZenML follows by itself."""
    from steps.adapters.release import history, rollback

    folder = line_folder(arguments.line)
    after = rollback(folder, reason=arguments.reason, who=who(), to=arguments.to)
    before = history(folder)[-1].from_version
    return tell_change(
        folder,
        "rollback",
        before,
        after.version,
        as_json=arguments.json,
        later=not arguments.wait,
    )
