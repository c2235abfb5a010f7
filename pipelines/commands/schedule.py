"""``intentflow schedule ACTION``: what runs when, and what became of it."""

import argparse
from collections.abc import Callable
from pathlib import Path

# What each action is for; `pipelines.schedule_actions`, or `pipelines.schedule_by_hand` for those
# of BY_HAND, has a function for each.
ACTIONS = {
    "check": "check a schedule and say when it would run, installing nothing",
    "install": "let schedules fire: those named, or all in configs/schedules",
    "list": "print the installed schedules and when they are due",
    "run-now": "run a schedule once, now, and wait for its end",
    "pause": "let a schedule fire nothing for now",
    "resume": "let a paused schedule fire again, from now on",
    "remove": "forget a schedule; its history stays",
    "cancel": "end the run of a schedule that goes on, with all its processes",
    "history": "print what became of each scheduled instant",
    "daemon": "fire what is due, on this machine, until Ctrl-C",
    "export": "print a schedule, or the daemon, for systemd and cron",
}

BY_HAND = {"run-now", "pause", "resume", "cancel"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the action and what it needs."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    own = {name: actions.add_parser(name, help=told) for name, told in ACTIONS.items()}
    for name in ("run-now", "pause", "resume", "remove", "cancel", "check"):
        own[name].add_argument("name", metavar="NAME", help="a schedule, as `list` prints it")
    own["install"].add_argument("names", metavar="NAME", nargs="*", help="in configs/schedules")
    for name in ("list", "history"):
        own[name].add_argument("--json", action="store_true", help="print JSON")
    own["history"].add_argument("name", metavar="NAME", nargs="?", help="only of this schedule")
    own["history"].add_argument("--limit", type=_count, default=20, help="at most so many, newest")
    _add_run_now(own["run-now"])
    _add_daemon(own["daemon"])
    _add_export(own["export"])


def run(arguments: argparse.Namespace) -> int:
    """Do the action and return the exit code: 1 where a run that was waited for did not succeed."""
    from pipelines import schedule_actions, schedule_by_hand

    module = schedule_by_hand if arguments.action in BY_HAND else schedule_actions
    action: Callable[[argparse.Namespace, Callable[[str], object]], int]
    action = getattr(module, arguments.action.replace("-", "_") + "_action")
    return action(arguments, _say)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _say(text: str) -> None:
    print(text, flush=True)


def _add_run_now(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--at", metavar="TIME", help="run the instant TIME (ISO) unless it succeeded already"
    )
    which.add_argument(
        "--due", action="store_true", help="run only what is due; what timers of others call"
    )
    parser.add_argument(
        "--until", metavar="TIME", help="end of the data window (ISO), instead of the schedule's"
    )


def _add_daemon(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--background", action="store_true", help="return, and go on without you")
    how.add_argument("--stop", action="store_true", help="end the one that serves; runs go on")
    how.add_argument(
        "--unsupervised", action="store_true", help="where systemd or a container starts it again"
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="without it: the daemon")
    parser.add_argument(
        "--to", choices=["systemd", "crontab"], default="systemd", help="for which of them"
    )
    parser.add_argument(
        "--into", type=Path, help="write the units into this folder instead of printing them"
    )
