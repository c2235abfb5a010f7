"""How schedules and their runs are told to people: rules, clocks, tables."""

import time
from typing import Any

from steps.adapters.schedule_config import UNITS, ScheduleConfig
from steps.adapters.schedule_due import upcoming
from steps.adapters.schedule_history import ScheduleRun
from steps.adapters.schedule_records import Installed, Row
from steps.adapters.schedule_times import zoned


def rule(config: ScheduleConfig) -> str:
    """Return when a schedule is due, in words."""
    if config.interval is not None:
        return f"every {duration(config.interval)}"
    return f"{config.cron} {config.zone}"


def clock(instant: float, config: ScheduleConfig) -> str:
    """Return an instant on the schedule's clock."""
    return f"{zoned(instant, config.zone):%Y-%m-%d %H:%M:%S %Z}"


def duration(length_s: float) -> str:
    """Return a length of time as a configuration writes it: 1h30m."""
    told = ""
    for unit in ("d", "h", "m"):
        whole, length_s = divmod(length_s, UNITS[unit])
        told += f"{whole:g}{unit}" if whole else ""
    return told + (f"{length_s:.3g}s" if length_s or not told else "")


def listed(schedule: Installed, rows: list[Row]) -> dict[str, Any]:
    """Return what `list` tells of an installed schedule."""
    config = ScheduleConfig.model_validate(schedule.config)
    if schedule.backend == "zenml":  # which tells nobody what it dealt with
        schedule = schedule.model_copy(update={"seen_until": time.time()})
    due = upcoming(schedule)
    going_on = [row for row in rows if row.status in {"running", "waiting"}]
    last = next((row for row in rows if row.status != "waiting"), None)
    return {
        "name": schedule.name,
        "pipeline": config.pipeline,
        "config": config.config,
        "when": rule(config),
        "next": None if due is None else clock(due, config),
        "paused": schedule.paused,
        "last": f"{last.status.replace('_', ' ')} {clock(last.scheduled_at, config)}"
        if last
        else "",
        "open": len(going_on),
        "backend": "daemon" if schedule.backend == "daemon" else "the stack's orchestrator",
        "zenml_id": schedule.zenml_id,
        "source": schedule.source,
    }


def told(entry: ScheduleRun) -> tuple[str, ...]:
    """Return a line of the history."""
    took = (
        duration(round((entry.ended_at - entry.started_at).total_seconds()))
        if entry.started_at and entry.ended_at
        else ""
    )
    return (
        f"{entry.scheduled_at:%Y-%m-%d %H:%M:%S}",
        entry.schedule,
        entry.status.replace("_", " "),
        str(entry.attempt) if entry.attempt else "",
        took,
        entry.run or "",
        entry.reason,
    )


def table(lines: list[tuple[str, ...]]) -> str:
    """Return lines whose columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
