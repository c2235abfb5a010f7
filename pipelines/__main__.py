"""Console script ``intentflow``: what ``zenml`` itself has no verb for."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from models.errors import ProjectError

PROGRAM = "intentflow"
USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
NOBODY_READS = 141  # 128 + SIGPIPE
# Each verb is the file of that name in pipelines/commands, imported only when asked for.
VERBS = {
    "list": "print the registered names of a kind of component, one a line",
    "show": "print a run: metrics, verdicts, where its reports are",
    "report": "build the site of all runs, releases and reports, to read in a browser",
    "backtest": "replay weeks of a log: what retraining never, weekly or daily would have given",
    "benchmark": "compare models over seeds on one split, in a table and a page",
    "serve": "serve the production model over HTTP on this machine",
    "score": "score a file of requests without a server",
    "models": "list, compare, stage, promote, roll back and repair model versions",
    "promote": "put a model version into production",
    "rollback": "put the version before the current one back into production",
    "checkout": "bring the exact files of a run back",
    "schedule": "let pipelines run by themselves, and see what became of it",
    "data": "check a data set before any run",
    "config": "check a pipeline file before any run",
    "env": 'print the environment as shell lines: eval "$(intentflow env)"',
    "dashboard": "open ZenML's dashboard on this machine until Ctrl-C",
    "drift-ui": "open the Evidently workspace on this machine until Ctrl-C",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0, or 2 where the user can mend what went wrong."""
    try:
        code = _run(_parse(sys.argv[1:] if argv is None else list(argv)))
        sys.stdout.flush()
        return code
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python would report the failed flush at exit: give it a place that takes everything.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS


def _parse(argv: list[str]) -> argparse.Namespace:
    """Return the parsed arguments; only the verb asked for is imported, so help is quick."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="From click logs to a promoted, monitored, intent-aware CTR service. "
        "Runs themselves are started with `make run` or `zenml pipeline run`.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = next((word for word in argv if not word.startswith("-")), None)
    for verb, summary in VERBS.items():
        own = verbs.add_parser(verb, help=summary, description=summary.capitalize() + ".")
        if verb == asked:
            _command(verb).add_arguments(own)
    return parser.parse_args(argv)


def _run(arguments: argparse.Namespace) -> int:
    from steps.adapters.environment import load_environment
    from steps.adapters.workspace import project_root

    load_environment(project_root())
    return int(_command(arguments.verb).run(arguments))


def _command(verb: str) -> Any:
    return import_module(f"pipelines.commands.{verb.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main())
