"""What the commands that change a stage have in common: the change, told, and ZenML after it."""

import argparse
import json
import sys
from pathlib import Path

from pipelines.release_line import add_line
from pipelines.zenml_follower import follow, follow_later


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Take what every change takes: the reason, the line and the form of the answer."""
    parser.add_argument("--reason", required=True, help="why; it is kept in the history")
    parser.add_argument("--json", action="store_true", help="print the change as JSON")
    add_line(parser)


def tell_change(
    folder: Path,
    action: str,
    before: str | None,
    after: str | None,
    *,
    as_json: bool,
    later: bool = False,
) -> int:
    """Print a change that was made, let ZenML follow, and return the exit code.

    Args:
        folder: The line's folder.
        action: What was done, a verb.
        before: The version that had the stage.
        after: The version that has it now.
        as_json: Print JSON.
        later: Do not wait for ZenML.
    """
    if as_json:
        told = {"line": folder.name, "action": action, "from": before, "to": after}
        print(json.dumps(told), flush=True)
    else:
        where = " (staging)" if action in {"stage", "withdraw"} else ""
        print(f"{folder.name}: {before or 'nothing'} -> {after or 'nothing'}{where}", flush=True)
    if later:
        follow_later(folder)
    elif warning := follow(folder):
        print(warning, file=sys.stderr)
    return 0
