"""``intentflow report``: one site of everything, to read in a browser, from disk."""

import argparse
import webbrowser
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take where the site goes and whether to open it."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where the site goes: a new or empty folder, or an earlier site; "
        ".intentflow/report by default",
    )
    parser.add_argument(
        "--failed", action="store_true", help="also ask ZenML for the runs that failed (seconds)"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(arguments: argparse.Namespace) -> int:
    """Build the site and say where it is."""
    from steps.adapters.report_site import build_site

    failed = None
    if arguments.failed:
        from steps.adapters.failed_runs import failed_runs

        failed = failed_runs()
    built = build_site(arguments.out, failed)
    print(f"{built.pages} pages of {built.runs} runs, {built.kept} as they were: {built.index}")
    for name, why in built.unreadable.items():
        print(f"not readable, left out: {name}: {why}")
    if arguments.open:
        webbrowser.open(built.index.as_uri())
    return 0
