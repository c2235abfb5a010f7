"""The process of one scheduled run: ``python -m steps.adapters.schedule_child TOKEN``.

It begins only while its token is the run's: a process that an earlier daemon started and could not
note any more may come too late, and then it must not run what a second one runs already. It does
what ``zenml pipeline run`` does, with the run linked to its schedule, and notes what came of it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from steps.adapters.schedule_processes import settings_file, start_time
from steps.adapters.schedule_records import Row
from steps.adapters.schedule_state import change_run_of, opened, run_of

TOKEN = "INTENTFLOW_SCHEDULE_TOKEN"
TOO_LATE = 75


def main(token: str) -> int:
    """Run what ``token`` belongs to and return the exit code."""
    row = _begin(token)
    if row is None:
        sys.stderr.write("This run was taken over by another process.\n")
        return TOO_LATE
    outcome, reason = "failed", "The process ended early."
    try:
        outcome, reason = _work(row)
    finally:
        with opened() as state:
            change_run_of(state, token, outcome=outcome, reason=reason)
    return int(outcome == "failed")


def _begin(token: str) -> Row | None:
    pid = os.getpid()
    with opened() as state:
        begun = change_run_of(state, token, pid=pid, pid_started=start_time(pid))
        return run_of(state, token) if begun else None


def _work(row: Row) -> tuple[str, str]:
    from steps.adapters.schedule_config import ScheduleConfig
    from steps.adapters.schedule_zenml import stack_name, still_wanted

    config = ScheduleConfig.model_validate(row.config)
    if not row.manual and not still_wanted(row):
        return "skipped", "The schedule was deactivated or deleted in ZenML."
    arguments = [
        "pipeline",
        "run",
        config.source,
        "-c",
        str(settings_file(row.run or "")),
        "-s",
        stack_name(),
    ]
    os.environ[TOKEN] = row.token or ""
    with _linked(row.zenml_id):
        code = _zenml(arguments)
    return ("succeeded", row.reason) if code == 0 else ("failed", f"It ended with code {code}.")


@contextmanager
def _linked(schedule_id: str | None) -> Iterator[None]:
    """Let what is run inside the block belong to a ZenML schedule.

    ZenML only links a run when it makes the schedule with it, and a schedule has many runs.
    """
    from uuid import UUID

    from zenml.client import Client
    from zenml.models import PipelineSnapshotRequest, PipelineSnapshotResponse

    if schedule_id is None:
        yield
        return
    store = type(Client().zen_store)
    create = store.create_snapshot

    def create_linked(self: object, snapshot: PipelineSnapshotRequest) -> PipelineSnapshotResponse:
        linked = snapshot.model_copy(update={"schedule": UUID(schedule_id)})
        return create(self, linked)  # pyright: ignore[reportArgumentType] - self is a store

    store.create_snapshot = create_linked
    try:
        yield
    finally:
        store.create_snapshot = create


def _zenml(arguments: list[str]) -> int:
    """Return the exit code of the command ``zenml`` with ``arguments``, run in this process."""
    from zenml.cli.cli import cli

    try:
        cli.main(arguments, prog_name="zenml")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--close":
        from steps.adapters.schedule_zenml import close_run

        close_run(sys.argv[2])
        sys.exit(0)
    sys.exit(main(sys.argv[1]))
