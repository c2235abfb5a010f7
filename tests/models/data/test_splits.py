import numpy as np
import pytest

from models.data.splits import SplitConfig, assign_splits, check_splits, find_cuts
from models.errors import SplitError

DAY = 86400


def columns(*rows: tuple[int, int, int, int]) -> list[np.ndarray]:
    """Users, times, requests and labels of impressions in order of time."""
    users, times, requests, labels = np.array(rows).T
    return [users, times, requests.astype(np.int32), labels.astype(np.int8)]


def alone(*rows: tuple[int, int, int]) -> list[np.ndarray]:
    """The same, where each impression is a request of its own: user, time, label."""
    return columns(*((user, time, place, label) for place, (user, time, label) in enumerate(rows)))


def test_days_are_calendar_days_counted_from_the_newest() -> None:
    log = alone((0, 100, 1), (0, DAY - 1, 1), (0, DAY, 1), (0, 2 * DAY, 1), (0, 3 * DAY + 5, 1))
    config = SplitConfig(kind="days", valid_days=1, test_days=1)
    assert assign_splits(config, *log).tolist() == [0, 0, 0, 1, 2]


def test_days_before_train_are_left_out() -> None:
    log = alone(*((0, day * DAY, 1) for day in range(6)))
    config = SplitConfig(kind="days", train_days=2, valid_days=1, test_days=2)
    assert assign_splits(config, *log).tolist() == [-1, 0, 0, 1, 2, 2]


def test_days_begin_at_the_midnight_of_the_place_where_the_log_is_from() -> None:
    evening, night = 15 * 3600, 17 * 3600  # UTC: 23:00 and 01:00 in Beijing
    log = alone(*((0, day * DAY + moment, 1) for day in range(3) for moment in (evening, night)))
    config = SplitConfig(kind="days", utc_offset_h=8)
    assert assign_splits(config, *log).tolist() == [0, 0, 0, 1, 1, 2]


def test_a_part_of_a_day_before_test_can_be_valid() -> None:
    log = alone(*((0, hour * 3600, 1) for hour in range(0, 48, 6)))
    config = SplitConfig(kind="days", valid_days=0.25, test_days=1)
    assert assign_splits(config, *log).tolist() == [0, 0, 0, 1, 2, 2, 2, 2]


def test_a_user_ratio_cuts_each_users_own_impressions() -> None:
    log = alone(*((place % 2, place, 1) for place in range(20)))
    splits = assign_splits(SplitConfig(kind="ratio", scope="user"), *log)
    for user in (0, 1):
        assert splits[user::2].tolist() == [0] * 8 + [1, 2]


def test_a_global_ratio_cuts_once_and_keeps_equal_times_together() -> None:
    log = alone(*((0, time, 1) for time in [1, 2, 3, 4, 5, 6, 7, 8, 8, 9]))
    splits = assign_splits(SplitConfig(kind="ratio", scope="global"), *log)
    assert splits.tolist() == [0] * 7 + [1, 1, 2]


def test_leave_one_out_cuts_at_the_last_two_clicked_requests() -> None:
    log = alone((0, 1, 1), (0, 2, 0), (0, 3, 1), (0, 4, 0), (0, 5, 1), (0, 6, 0), (1, 7, 1))
    splits = assign_splits(SplitConfig(kind="leave_one_out"), *log)
    assert splits.tolist() == [0, 0, 1, 1, 2, 2, 0]


def test_leave_one_out_can_take_the_last_two_requests_of_any_label() -> None:
    log = alone((0, 1, 1), (0, 2, 0), (0, 3, 1), (0, 4, 0), (1, 5, 1), (1, 6, 0))
    config = SplitConfig(kind="leave_one_out", left_out="any")
    assert assign_splits(config, *log).tolist() == [0, 0, 1, 2, 0, 0]


@pytest.mark.parametrize("kind", ["ratio", "leave_one_out"])
def test_where_times_are_equal_the_order_of_the_impressions_decides(kind: str) -> None:
    log = alone(*((place % 2, 7, 1) for place in range(20)))
    splits = assign_splits(SplitConfig(kind=kind, scope="user"), *log)
    assert splits.tolist() == [0] * 16 + [1] * 2 + [2] * 2


@pytest.mark.parametrize("kind", ["days", "ratio", "leave_one_out"])
@pytest.mark.parametrize("scope", ["user", "global"])
def test_some_users_alone_are_divided_as_in_the_whole_log(kind: str, scope: str) -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 9 * DAY, 400))
    rows = np.column_stack([rng.integers(0, 7, 400), times, range(400), rng.integers(0, 2, 400)])
    whole = columns(*rows)
    config = SplitConfig(kind=kind, scope=scope)
    splits = assign_splits(config, *whole)
    cuts = find_cuts(config, times, np.ones(400, np.int64))
    for user in range(7):
        own = whole[0] == user
        part = [column[own] for column in whole]
        part[2] = np.arange(own.sum(), dtype=np.int32)
        assert assign_splits(config, *part, cuts=cuts).tolist() == splits[own].tolist()


@pytest.mark.parametrize(
    "config",
    [
        SplitConfig(kind="days"),
        SplitConfig(kind="ratio", ratio=(1.0, 1.0, 1.0)),
        SplitConfig(kind="ratio", ratio=(1.0, 1.0, 1.0), scope="user"),
        SplitConfig(kind="leave_one_out"),
    ],
    ids=lambda config: f"{config.kind} {config.scope}",
)
def test_a_request_is_never_divided(config: SplitConfig) -> None:
    rows = [(0, place * DAY // 2, place // 3, place % 2) for place in range(24)]
    splits = assign_splits(config, *columns(*rows))
    assert (splits.reshape(-1, 3) == splits.reshape(-1, 3)[:, :1]).all()
    assert set(splits.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("labels", "splits", "message"),
    [
        ([0, 1, 0, 1, 0, 0], [0, 0, 1, 1, 2, 2], "test split has no clicks .*valid 2 impressions"),
        ([1, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2], "train split has no negatives"),
        ([0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 2, 2], "valid split is empty .*valid 0 impressions"),
    ],
)
def test_a_split_that_cannot_be_used_is_refused_with_numbers(labels, splits, message) -> None:
    users = np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(SplitError, match=message):
        check_splits(SplitConfig(), users, np.array(labels, np.int8), np.array(splits, np.int8))


def test_one_user_alone_is_refused() -> None:
    labels, splits = np.array([0, 1] * 3, np.int8), np.array([0, 0, 1, 1, 2, 2], np.int8)
    with pytest.raises(SplitError, match="6 impressions are of 1 user"):
        check_splits(SplitConfig(), np.zeros(6, np.int64), labels, splits)
