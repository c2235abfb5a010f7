"""What the scheduler knows, in one SQLite file: whole at every instant, shared by processes.

A run stands under the instant it was scheduled for, so it can be recorded only once. The process
that runs it holds a token; whoever takes the run over gives it a new token, and the process with
the old one may not begin any more. Times are seconds since 1970, UTC.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.errors import ScheduleError
from steps.adapters.schedule_records import Backend, Installed, Row, Status
from steps.adapters.workspace import state_folder

FILE = "schedules.sqlite"
VERSION = 1
PATIENCE_S = 30.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS schedules (
    name TEXT PRIMARY KEY, config TEXT NOT NULL, source TEXT NOT NULL, backend TEXT NOT NULL,
    zenml_id TEXT, installed_at REAL NOT NULL, seen_until REAL NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS runs (
    schedule TEXT NOT NULL, scheduled_at REAL NOT NULL, status TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, config TEXT NOT NULL, zenml_id TEXT,
    until TEXT, manual INTEGER NOT NULL DEFAULT 0,
    started_at REAL, ended_at REAL, attempt_started_at REAL, retry_at REAL,
    run TEXT, reason TEXT NOT NULL DEFAULT '',
    token TEXT, pid INTEGER, pid_started REAL, outcome TEXT, cancel TEXT,
    PRIMARY KEY (schedule, scheduled_at)
);
CREATE INDEX IF NOT EXISTS open_runs ON runs (status) WHERE status IN ('waiting', 'running');
"""


def schedules_folder() -> Path:
    """Return the folder of all that the scheduler keeps."""
    return state_folder() / "schedules"


@contextmanager
def opened(folder: Path | None = None) -> Iterator[sqlite3.Connection]:
    """Yield the state, made on first use; every change inside one `changing` is whole or absent.

    Raises:
        ScheduleError: the file cannot be read or written, or a later version wrote it.
    """
    path = (folder or schedules_folder()) / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from None
    try:
        connection.row_factory = sqlite3.Row
        _prepare(connection, path)
        yield connection
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    finally:
        connection.close()


@contextmanager
def changing(state: sqlite3.Connection) -> Iterator[None]:
    """Make all changes inside the block at once; another process sees all of them or none."""
    state.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        state.execute("ROLLBACK")
        raise
    state.execute("COMMIT")


def install(
    state: sqlite3.Connection,
    name: str,
    config: Mapping[str, Any],
    *,
    source: str,
    backend: Backend,
    zenml_id: str | None,
    now: float,
    seen_until: float,
) -> None:
    """Add a schedule or give an installed one new settings; whether it is paused stays."""
    state.execute(
        "INSERT INTO schedules (name, config, source, backend, zenml_id, installed_at, seen_until) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET config = excluded.config, "
        "source = excluded.source, backend = excluded.backend, zenml_id = excluded.zenml_id, "
        "seen_until = excluded.seen_until",
        (name, json.dumps(dict(config)), source, backend, zenml_id, now, seen_until),
    )


def schedules(state: sqlite3.Connection) -> list[Installed]:
    """Return the installed schedules by name."""
    rows = state.execute("SELECT * FROM schedules ORDER BY name").fetchall()
    return [Installed.model_validate(_plain(row)) for row in rows]


def find(state: sqlite3.Connection, name: str) -> Installed | None:
    """Return the schedule installed under ``name``."""
    return next((found for found in schedules(state) if found.name == name), None)


def uninstall(state: sqlite3.Connection, name: str) -> None:
    """Forget a schedule, and what waits for its turn; what runs goes on and its history stays."""
    state.execute("DELETE FROM schedules WHERE name = ?", (name,))
    state.execute(
        "UPDATE runs SET status = 'skipped', reason = 'The schedule was removed.' "
        "WHERE schedule = ? AND status = 'waiting'",
        (name,),
    )


def change_schedule(state: sqlite3.Connection, name: str, **values: Any) -> None:
    """Set columns of a schedule."""
    _update(state, "schedules", values, "name = ?", (name,))


def add_run(
    state: sqlite3.Connection, schedule: str, scheduled_at: float, status: Status, **values: Any
) -> bool:
    """Record a run under its instant; return False where that instant has one already."""
    values |= {"schedule": schedule, "scheduled_at": scheduled_at, "status": status}
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    done = state.execute(
        f"INSERT OR IGNORE INTO runs ({columns}) VALUES ({marks})", _stored(values)
    )
    return done.rowcount == 1


def change_run(state: sqlite3.Connection, row: Row, **values: Any) -> bool:
    """Set columns of a run; return False where its token changed since ``row`` was read."""
    where = "schedule = ? AND scheduled_at = ? AND token IS ?"
    return _update(state, "runs", values, where, (row.schedule, row.scheduled_at, row.token))


def change_run_of(state: sqlite3.Connection, token: str, **values: Any) -> bool:
    """Set columns of the run whose process holds ``token``; return False where none does."""
    return _update(state, "runs", values, "token = ? AND status = 'running'", (token,))


def runs(
    state: sqlite3.Connection,
    *,
    schedule: str | None = None,
    statuses: tuple[Status, ...] = (),
    limit: int | None = None,
) -> list[Row]:
    """Return runs, the newest instant first."""
    marks = ", ".join("?" * len(statuses))
    rows = state.execute(
        "SELECT * FROM runs WHERE (? IS NULL OR schedule = ?) "
        + (f"AND status IN ({marks}) " if statuses else "")
        + "ORDER BY scheduled_at DESC, schedule LIMIT ?",
        (schedule, schedule, *statuses, -1 if limit is None else limit),
    ).fetchall()
    return [Row.model_validate(_plain(row)) for row in rows]


def run_at(state: sqlite3.Connection, schedule: str, scheduled_at: float) -> Row | None:
    """Return the run of one instant."""
    row = state.execute(
        "SELECT * FROM runs WHERE schedule = ? AND scheduled_at = ?", (schedule, scheduled_at)
    ).fetchone()
    return None if row is None else Row.model_validate(_plain(row))


def run_of(state: sqlite3.Connection, token: str) -> Row | None:
    """Return the run whose process holds ``token``."""
    row = state.execute("SELECT * FROM runs WHERE token = ?", (token,)).fetchone()
    return None if row is None else Row.model_validate(_plain(row))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ScheduleError(
            f"A later version of intentflow wrote the schedules' state (form {version}).",
            where=str(path),
            allowed=f"form {VERSION}",
            do="Use that version, or move the file away and install the schedules again.",
        )
    if version < VERSION:
        with changing(connection):
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _update(
    state: sqlite3.Connection,
    table: str,
    values: Mapping[str, Any],
    where: str,
    keys: tuple[Any, ...],
) -> bool:
    assignments = ", ".join(f"{column} = ?" for column in values)
    done = state.execute(
        f"UPDATE {table} SET {assignments} WHERE {where}", (*_stored(values), *keys)
    )
    return done.rowcount == 1


def _stored(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(json.dumps(v) if isinstance(v, dict) else v for v in values.values())


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    values = dict(row)
    return values | {"config": json.loads(values["config"])}


def _unusable(path: Path, error: Exception) -> ScheduleError:
    return ScheduleError(
        f"The schedules' state cannot be used: {error}.",
        where=str(path),
        do="See that the folder can be written and the disk has room; a damaged file can be moved "
        "away, which forgets the history: install the schedules again after that.",
    )
