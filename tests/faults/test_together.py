"""Several at once: they take turns, and all of them are heard."""

from collections.abc import Callable
from pathlib import Path

import pytest

from steps.adapters.release import history
from tests.faults.conftest import Shelf
from tests.faults.driver import Driver
from tests.faults.invariants import check_line, check_settled

pytestmark = pytest.mark.slow
ROUNDS = 50


def test_two_promoters_at_once_fifty_times(
    driver: Driver, shelf: Shelf, line: Callable[[], Path]
) -> None:
    folder = line()
    for turn in range(ROUNDS):
        before = history(folder)
        versions = (("one", "two"), ("two", "three"), ("three", "one"))[turn % 3]
        told = driver.together(
            [
                {"action": "promote", "watch": False,
                 "arguments": {"line": str(folder), "version": version, "reason": f"turn {turn}"}}
                for version in versions
            ]
        )  # fmt: skip
        assert [one.error for one in told] == [None, None]
        check_line(folder, before, set(versions))
        added = [event.to_version for event in history(folder)[len(before) :]]
        assert 1 <= len(added) <= 2
        assert set(added) <= set(versions)
    check_settled(folder)


def test_two_who_register_and_two_who_promote_at_once(
    driver: Driver, shelf: Shelf, line: Callable[[], Path]
) -> None:
    folder, bento = line(), shelf.bentos["four"].model_dump_json()
    before = history(folder)
    jobs = [
        ("register", {"bento": bento}),
        ("register", {"bento": bento}),
        ("promote", {"version": "three"}),
        ("rollback", {}),
    ]
    told = driver.together(
        [
            {"action": action, "arguments": {"line": str(folder), **more}, "watch": False}
            for action, more in jobs
        ]
    )
    assert [one.error for one in told] == [None] * 4
    # Whichever of promote and rollback was first, the other started from what it left.
    check_line(folder, before, {"two", "three"})
    check_settled(folder)
    assert [e.to_version for e in history(folder) if e.action == "register"][-1] == "four"
    assert len(history(folder)) == len(before) + 3
