"""Killed at any point, an action leaves everything whole; done again, it ends as if undisturbed."""

import random
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import pytest

from models.artifacts import read_manifest
from models.files import remove_leftovers
from steps.adapters.release import history, production, releases
from tests.faults.conftest import Shelf
from tests.faults.driver import Driver, Told
from tests.faults.invariants import (
    check_artifacts,
    check_line,
    check_settled,
    check_store,
    leftovers,
)

pytestmark = pytest.mark.slow
DEATHS = pytest.mark.parametrize(
    "deaths", [20, pytest.param(100, marks=pytest.mark.reference)], ids=["some", "many"]
)
BY_TIME = 0.2  # the share of deaths at random instants, between any two points
Fault = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """An action that can be done on fresh files as often as it takes.

    Attributes:
        action: Its name in actions.py.
        begin: Makes fresh files and returns the action's arguments and environment.
        check: Holds what was left to the invariants; told whether the action came to its end.
        again_every: After so many deaths the action is done again, undisturbed; more than 1 where
            that costs seconds.
    """

    action: str
    begin: Callable[[], Fault]
    check: Callable[[bool], None]
    again_every: int = 1


def faults(trial: Trial, driver: Driver, deaths: int) -> list[Fault]:
    """Ways to die: at every kind of point first, then at all points evenly, and at any instant."""
    began = time.monotonic()
    told = driver.perform(trial.action, **trial.begin())
    took = time.monotonic() - began
    assert told.error is None, told.error
    by_time = int(BY_TIME * deaths)
    points = chosen(told.points, deaths - by_time)
    rounds = islice(enumerate(cycle(points)), deaths - by_time)  # few points: each again and again
    dead = [
        {"kill_at": point, "group": bool((number + number // len(points)) % 2)}
        for number, point in rounds
    ]
    chance = random.Random(0)
    return dead + [
        {"kill_after_s": chance.uniform(0, took), "group": bool(number % 2)}
        for number in range(by_time)
    ]


def chosen(points: list[str], count: int) -> list[int]:
    """Return so many of the points: one of each kind, then evenly among the others."""
    kinds: dict[str, int] = {}
    for number, name in enumerate(points):
        kinds.setdefault(
            re.sub(r"[0-9a-f]{16,}|\d+|-\w{8}\b", "*", name.rsplit("/src/", 1)[0]), number
        )
    first = list(kinds.values())
    step = max(1, len(first) // count)
    rest = [number for number in range(len(points)) if number not in kinds.values()]
    evenly = rest[:: max(1, len(rest) // max(1, count - len(first)))]
    return sorted(islice(chain(first[::step], evenly), count))


def run(trial: Trial, driver: Driver, deaths: int) -> None:
    killed = 0
    for number, fault in enumerate(faults(trial, driver, deaths)):
        arguments = trial.begin()
        told: Told = driver.perform(trial.action, **arguments, **fault)
        # Where a process of the action died alone, the action may have told of its death.
        assert told.error is None or told.killed, (fault, told.error)
        killed += told.killed
        trial.check(not told.killed)
        if number % trial.again_every:
            continue
        again = driver.perform(trial.action, **arguments, watch=False)
        assert again.error is None, (fault, again.error)
        trial.check(True)
    assert killed >= (1 - BY_TIME) * deaths  # who dies by the clock may have ended before


def line_trial(
    line: Callable[[], Path], action: str, arguments: Fault, *, after: str | None
) -> tuple[Trial, set[str | None]]:
    """Return the trial of an action that changes a line, and a set of what it leaves."""
    kept: list[Path] = []
    left: set[str | None] = set()

    def begin() -> Fault:
        kept[:] = [line()]
        return {"arguments": {"line": str(kept[0]), **arguments}}

    def check(ended: bool) -> None:
        found = version_in_production(kept[0])
        left.add(found)
        check_line(kept[0], before, {start, after})
        if ended:
            assert found == after
            check_settled(kept[0])

    before, start = history(line()), version_in_production(line())
    return Trial(action, begin, check), left


def version_in_production(line: Path) -> str | None:
    release = production(line)
    return release.version if release else None


@DEATHS
@pytest.mark.parametrize("version", ["one", "three"], ids=["installed", "new"])
def test_promote(version: str, deaths: int, driver: Driver, line: Callable[[], Path]) -> None:
    trial, left = line_trial(line, "promote", {"version": version}, after=version)
    run(trial, driver, deaths)
    assert left == {"two", version}


@DEATHS
def test_roll_back(deaths: int, driver: Driver, line: Callable[[], Path]) -> None:
    """Done again, it goes one further back: it is brought to an end by promoting instead."""
    trial, left = line_trial(line, "rollback", {}, after="one")
    for fault in faults(trial, driver, deaths):
        arguments = trial.begin()
        told = driver.perform(trial.action, **arguments, **fault)
        assert told.error is None, (fault, told.error)
        trial.check(not told.killed)
        done = driver.perform("promote", arguments["arguments"] | {"version": "one"}, watch=False)
        assert done.error is None, (fault, done.error)
        trial.check(True)
    assert left == {"one", "two"}


@DEATHS
def test_stage(deaths: int, driver: Driver, line: Callable[[], Path]) -> None:
    trial, _ = line_trial(line, "stage", {"version": "three"}, after="two")
    run(trial, driver, deaths)


@DEATHS
def test_register(
    deaths: int, driver: Driver, line: Callable[[], Path], shelf: Shelf, tmp_path: Path
) -> None:
    bento = shelf.bentos["four"].model_dump_json()
    trial, _ = line_trial(line, "register", {"bento": bento}, after="two")
    run(trial, driver, deaths)
    assert {release.version for release in releases(tmp_path / "line")} == {
        "one", "two", "three", "four"
    }  # fmt: skip


@DEATHS
def test_save(deaths: int, driver: Driver, shelf: Shelf, tmp_path: Path) -> None:
    """Training, its checkpoints, and the artifact it ends as: the same bytes as undisturbed."""
    hashes: set[str] = set()
    state = tmp_path / "state"

    def begin() -> Fault:
        shutil.rmtree(state, ignore_errors=True)
        store = shelf.shop.folders["din"].parent / "store"
        return {"arguments": {"store": str(store)}, "environment": {"INTENTFLOW_HOME": str(state)}}

    def check(ended: bool) -> None:
        check_artifacts(state)
        found = [read_manifest(folder) for folder in (state / "artifacts").glob("*/[!.]*")]
        hashes.update(manifest.content_hash for manifest in found)
        assert len(found) == 1 or not ended

    run(Trial("save", begin, check, again_every=2), driver, deaths)
    assert len(hashes) == 1
    remove_leftovers(state)
    assert leftovers(state) == []


@DEATHS
def test_package(deaths: int, driver: Driver, shelf: Shelf, tmp_path: Path) -> None:
    """BentoML's own programs die with their starter, or go on without it."""
    home = tmp_path / "home"

    def begin() -> Fault:
        shutil.rmtree(home, ignore_errors=True)
        return {"arguments": {"model": str(shelf.shop.folders["din"]), "home": str(home)}}

    def check(ended: bool) -> None:
        check_store(home)
        latest = home / "bentos" / "intentflow" / "latest"
        assert not latest.exists() or latest.read_text() == "new"
        assert not ended or latest.exists()

    run(Trial("package", begin, check, again_every=5), driver, deaths)
    remove_leftovers(home)
    assert leftovers(home) == []
