"""The same schedules for systemd and cron, as text: for those who prefer them to the daemon.

What they start, ``intentflow schedule run-now NAME --due``, runs what is due by our own reckoning:
policies, history and notifications stay the same, and an instant that was run is not run again.
"""

import shlex
import sys
from pathlib import Path

from models.errors import ScheduleError
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_cron import cron_values
from steps.adapters.schedule_state import schedules_folder
from steps.adapters.workspace import project_root, state_folder

WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60


def systemd_units(name: str, config: ScheduleConfig) -> dict[str, str]:
    """Return the timer and the service of a schedule, file name to text."""
    unit = f"intentflow-{name}"
    if config.interval is not None:
        every = f"{config.interval:g}s"
        times = [f"OnActiveSec={every}", f"OnUnitActiveSec={every}"]
    else:
        times = [f"OnCalendar={time}" for time in calendar_times(name, config)]
        times.append(f"Persistent={'false' if config.misfire.policy == 'skip' else 'true'}")
    timer = _unit(
        {"Unit": [f"Description=intentflow: when {name} is due"],
         "Timer": [*times, "AccuracySec=1s", f"Unit={unit}.service"],
         "Install": ["WantedBy=timers.target"]}
    )  # fmt: skip
    service = _unit(
        {"Unit": [f"Description=intentflow: {name}"],
         "Service": ["Type=oneshot", *_service(["run-now", name, "--due"]),
                     "TimeoutStartSec=infinity"]}
    )  # fmt: skip
    return {f"{unit}.timer": timer, f"{unit}.service": service}


def systemd_daemon() -> dict[str, str]:
    """Return the service that keeps our daemon going, file name to text."""
    service = _unit(
        {"Unit": ["Description=intentflow: fires schedules"],
         "Service": ["Type=exec", *_service(["daemon", "--unsupervised"]), "Restart=always",
                     "RestartSec=5s", "KillMode=process"],
         "Install": ["WantedBy=default.target"]}
    )  # fmt: skip
    return {"intentflow-schedules.service": service}


def crontab_lines(name: str, config: ScheduleConfig) -> str:
    """Return the lines of a crontab that fire a schedule."""
    lines = [f"# intentflow: {name}"]
    if config.interval is not None:
        time = _cron_of(name, config.interval)
    else:
        _portable(name, config.cron or "")
        time = config.cron or ""
        lines += [
            "# CRON_TZ is read by cronie (Fedora, Arch …); Debian's cron reads times in the",
            "# machine's own zone: there, leave the line out and give the time in that zone.",
            f"CRON_TZ={config.zone}",
        ]
    return "\n".join([*lines, f"{time} {_cron_command(['run-now', name, '--due'])}"]) + "\n"


def crontab_daemon() -> str:
    """Return the line of a crontab that starts our daemon with the machine."""
    return f"# intentflow: fires schedules\n@reboot {_cron_command(['daemon'])}\n"


def calendar_times(name: str, config: ScheduleConfig) -> list[str]:
    """Return ``cron`` as systemd's calendar times: two where a day of month or of week will do."""
    minute, hour, day, month, weekday = _portable(name, config.cron or "")
    clock = f"{_list(hour)}:{_list(minute)}:00 {config.zone}"
    week = ",".join(WEEKDAYS[value] for value in weekday or []) + " "
    by_day = f"*-{_list(month)}-{_list(day)} {clock}"
    by_week = f"{week}*-{_list(month)}-* {clock}"
    if weekday is None:
        return [by_day]
    return [by_week] if day is None else [by_day, by_week]


def _portable(name: str, cron: str) -> list[list[int] | None]:
    try:
        return cron_values(cron)
    except ValueError as error:
        raise ScheduleError(
            f"{cron!r} means nothing to systemd or cron: {error}.",
            where=f"the schedule {name!r}",
            do="Let our daemon fire it: intentflow schedule daemon",
        ) from None


def _cron_of(name: str, interval: float) -> str:
    """Return an interval as cron, where an hour or a day holds a whole number of them."""
    if interval < HOUR_S and HOUR_S % interval == 0 and interval % MINUTE_S == 0:
        return f"*/{interval / MINUTE_S:g} * * * *"
    if interval <= DAY_S and DAY_S % interval == 0 and interval % HOUR_S == 0:
        return "0 0 * * *" if interval == DAY_S else f"0 */{interval / HOUR_S:g} * * *"
    raise ScheduleError(
        f"Cron cannot tell an interval of {interval:g} s.",
        where=f"the schedule {name!r}",
        allowed="minutes that divide an hour, hours that divide a day",
        do="Export it for systemd, or let our daemon fire it.",
    )


def _service(action: list[str]) -> list[str]:
    command = " ".join(_systemd_word(word) for word in _command(action))
    return [
        f"WorkingDirectory={_percent(str(project_root()))}",
        f"Environment={_systemd_word(f'INTENTFLOW_HOME={state_folder()}')}",
        f"ExecStart={command}",
    ]


def _cron_command(action: list[str]) -> str:
    log = schedules_folder() / "cron.log"
    told = (
        f"cd {shlex.quote(str(project_root()))} && "
        f"INTENTFLOW_HOME={shlex.quote(str(state_folder()))} "
        f"{shlex.join(_command(action))} >> {shlex.quote(str(log))} 2>&1"
    )
    return told.replace("%", r"\%")  # a bare one ends the command


def _command(action: list[str]) -> list[str]:
    return [str(Path(sys.executable)), "-m", "pipelines", "schedule", *action]


def _unit(sections: dict[str, list[str]]) -> str:
    return "\n".join(
        "\n".join([f"[{title}]", *lines, ""]) for title, lines in sections.items() if lines
    )


def _systemd_word(word: str) -> str:
    escaped = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(mark in word for mark in " \"'\\;") else escaped


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _list(values: list[int] | None) -> str:
    return "*" if values is None else ",".join(map(str, values))
