"""``intentflow models …``: the versions of a line, their stages, and how they got there."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

from pipelines.commands import promote, rollback
from pipelines.release_changes import add_reason, tell_change
from pipelines.release_line import add_line, line_folder, who
from pipelines.release_views import (
    difference,
    listing,
    passport,
    past,
    told_difference,
    told_events,
    told_passport,
    told_versions,
)

WRONG = 1  # the doctor found what is not right
Parser = argparse.ArgumentParser


def add_arguments(parser: Parser) -> None:
    """Take the action and what it needs."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (summary, take, _) in ACTIONS.items():
        own = actions.add_parser(name, help=summary, description=summary.capitalize() + ".")
        take(own)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    return ACTIONS[arguments.action][2](arguments)


def _list(arguments: argparse.Namespace) -> int:
    rows = listing(line_folder(arguments.line))
    return _print(arguments, rows, lambda: told_versions(rows))


def _show(arguments: argparse.Namespace) -> int:
    found = passport(line_folder(arguments.line), arguments.version)
    return _print(arguments, found, lambda: told_passport(found))


def _diff(arguments: argparse.Namespace) -> int:
    found = difference(line_folder(arguments.line), arguments.version, arguments.other)
    return _print(arguments, found, lambda: told_difference(found))


def _history(arguments: argparse.Namespace) -> int:
    events = past(line_folder(arguments.line), arguments.version)
    return _print(arguments, events, lambda: told_events(events))


def _stage(arguments: argparse.Namespace) -> int:
    from steps.adapters.release import stage, staging

    folder = line_folder(arguments.line)
    before = staging(folder)
    after = stage(folder, arguments.version, reason=arguments.reason, who=who())
    old = before.version if before else None
    return tell_change(folder, "stage", old, after.version, as_json=arguments.json)


def _withdraw(arguments: argparse.Namespace) -> int:
    from steps.adapters.release import withdraw

    folder = line_folder(arguments.line)
    gone = withdraw(folder, reason=arguments.reason, who=who())
    return tell_change(folder, "withdraw", gone.version, None, as_json=arguments.json)


def _follow(arguments: argparse.Namespace) -> int:
    from pipelines.zenml_follower import follow

    warning = follow(line_folder(arguments.line))
    print(warning or "ZenML's stages are those of the line.")
    return WRONG if warning else 0


def _doctor(arguments: argparse.Namespace) -> int:
    from steps.adapters.release_doctor import Line, diagnose, repair
    from steps.adapters.workspace import state_folder

    folder = line_folder(arguments.line)
    model = None if arguments.skip_zenml else folder.name
    line = Line(folder=folder, stores=(state_folder() / "bento",), model=model)
    with redirect_stdout(sys.stderr):  # ZenML has things to say, and our answer may be JSON
        found = repair(line) if arguments.repair else diagnose(line)
    told = [
        {"kind": t.kind, "what": t.what, "where": t.where, "do": t.do, "repaired": t.repaired}
        for t in found
    ]
    _print(arguments, told, lambda: _told_troubles(told, line=folder.name))
    if not arguments.json and found and not arguments.repair:
        print("Nothing was changed. To put it right: intentflow models doctor --repair")
    return WRONG if any(not trouble.repaired for trouble in found) else 0


def _told_troubles(told: list[dict[str, Any]], line: str) -> Iterator[str]:
    if not told:
        yield f"{line}: everything agrees with the pointer."
        return
    for trouble in told:
        state = "repaired" if trouble["repaired"] else "found"
        yield f"{state:8}  {trouble['kind']:8}  {trouble['what']}"
        yield f"{'':20}where: {trouble['where']}"
        if trouble["do"] and not trouble["repaired"]:
            yield f"{'':20}do: {trouble['do']}"


def _print(
    arguments: argparse.Namespace, content: object, told: Callable[[], Iterator[str]]
) -> int:
    text = json.dumps(content, indent=2) if arguments.json else "\n".join(told())
    sys.stdout.write(text + "\n")
    return 0


def _takes(*names: str, reason: bool = False) -> Callable[[Parser], None]:
    def take(parser: Parser) -> None:
        for name in names:
            parser.add_argument(name, help="a registered version, as `intentflow models list` says")
        if reason:
            add_reason(parser)
        else:
            parser.add_argument("--json", action="store_true", help="print it as JSON")
            add_line(parser)

    return take


def _take_history(parser: Parser) -> None:
    parser.add_argument("version", nargs="?", help="only what happened to this version")
    _takes()(parser)


def _take_doctor(parser: Parser) -> None:
    parser.add_argument("--repair", action="store_true", help="put right what can be")
    parser.add_argument("--skip-zenml", action="store_true", help="leave ZenML out, seconds sooner")
    _takes()(parser)


Action = tuple[str, Callable[[Parser], None], Callable[[argparse.Namespace], int]]
ACTIONS: dict[str, Action] = {
    "list": ("print the versions and their stages", _takes(), _list),
    "show": ("print all that is known of a version", _takes("version"), _show),
    "diff": ("print in what two versions differ", _takes("version", "other"), _diff),
    "promote": ("put a version into production", promote.add_arguments, promote.run),
    "stage": ("let a version wait for its promotion", _takes("version", reason=True), _stage),
    "withdraw": ("take the waiting version out of staging", _takes(reason=True), _withdraw),
    "rollback": (
        "put the version before the current one back into production",
        rollback.add_arguments,
        rollback.run,
    ),
    "history": ("print who changed what, when and why", _take_history, _history),
    "doctor": ("find, and repair, what disagrees with the pointer", _take_doctor, _doctor),
    "follow": ("bring ZenML's stages in line with the pointer", _takes(), _follow),
}
