"""The text for systemd and cron means what our own reckoning means."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.errors import ScheduleError
from steps.adapters.schedule_config import ScheduleConfig
from steps.adapters.schedule_export import (
    calendar_times,
    crontab_daemon,
    crontab_lines,
    systemd_daemon,
    systemd_units,
)
from steps.adapters.schedule_times import next_instant


def config(**changed: Any) -> ScheduleConfig:
    values = {"pipeline": "retraining", "config": "smoke"} | changed
    return ScheduleConfig.model_validate(values)


@pytest.mark.parametrize(
    "cron",
    ["0 3 * * *", "*/20 8-10/2 * * *", "15 4 1,15 jan-mar *", "0 0 * * 5-7", "30 6 13 * fri"],
)
def test_systemd_reads_the_same_times(cron: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    schedule = config(cron=cron, zone="Europe/Berlin")
    base = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    found = []
    for time in calendar_times("x", schedule):
        told = subprocess.run(
            [analyze, "calendar", "--base-time", f"{base:%Y-%m-%d %H:%M:%S} UTC", time],
            capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C"},
        ).stdout  # fmt: skip
        line = next(line for line in told.splitlines() if "Next elapse" in line)
        day, clock = line.split()[3:5]
        found.append(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC).timestamp())
    assert min(found) == next_instant(schedule, base.timestamp(), 0.0)


def test_a_timer_starts_what_is_due_and_makes_up_for_absences_as_the_policy_says() -> None:
    units = systemd_units("nightly", config(cron="0 3 * * *", zone="Asia/Tokyo"))
    timer, service = units["intentflow-nightly.timer"], units["intentflow-nightly.service"]
    assert "OnCalendar=*-*-* 3:0:00 Asia/Tokyo\nPersistent=true" in timer
    assert service.count("schedule run-now nightly --due") == 1
    skipping = config(cron="0 3 * * *", misfire={"policy": "skip"})
    assert "Persistent=false" in systemd_units("n", skipping)["intentflow-n.timer"]
    assert (
        "OnUnitActiveSec=5400s" in systemd_units("n", config(interval="90m"))["intentflow-n.timer"]
    )


@pytest.mark.parametrize("names", ["nightly", None])
def test_systemd_finds_nothing_wrong_with_the_units(names: str | None, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    units = systemd_units(names, config(cron="0 3 * * *")) if names else systemd_daemon()
    for file, text in units.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *map(str, tmp_path.iterdir())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "intentflow" not in done.stderr


def test_a_crontab_tells_the_zone_and_escapes_what_cron_would_end_a_command_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "100% ours"))
    text = crontab_lines("nightly", config(cron="0 3 * * *", zone="Asia/Tokyo"))
    assert "\nCRON_TZ=Asia/Tokyo\n0 3 * * * cd " in text
    assert "100\\% ours" in text
    assert "100\\% ours" in crontab_daemon()


@pytest.mark.parametrize(
    ("interval", "expected"),
    [("15m", "*/15 * * * *"), ("6h", "0 */6 * * *"), ("1d", "0 0 * * *"), ("1h", "0 */1 * * *")],
)
def test_an_interval_is_told_to_cron_where_it_can_be(interval: str, expected: str) -> None:
    assert f"\n{expected} cd " in crontab_lines("often", config(interval=interval))


@pytest.mark.parametrize("interval", ["7m", "5h", "30s", "2d"])
def test_an_interval_that_cron_cannot_tell_is_refused(interval: str) -> None:
    with pytest.raises(ScheduleError, match="Cron cannot tell"):
        crontab_lines("often", config(interval=interval))


@pytest.mark.parametrize("cron", ["0 3 L * *", "0 3 * * fri#2"])
def test_days_that_only_the_daemon_knows_are_refused(cron: str) -> None:
    with pytest.raises(ScheduleError, match="only be fired here"):
        systemd_units("odd", config(cron=cron))
