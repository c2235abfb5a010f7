"""Weeks replayed: daily beats never where tastes change; a killed replay ends as a whole one."""

import csv
import json
from pathlib import Path

import pytest

from models.assessment.backtest import Backtest
from models.assessment.backtest_replay import replay
from models.assessment.backtest_settings import BacktestPlan
from models.assessment.backtest_summary import summarise
from models.data.datasets.registry import load_dataset
from models.data.tables import TableScan
from models.errors import ConfigError, SplitError
from models.reports.backtest_results import BacktestResult, Point
from pipelines.backtest_plan import plan_backtest


def silent(line: str) -> None:
    assert line


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(name="plan", scope="module")
def _plan() -> BacktestPlan:
    """Ten days of a shop in which fashions change fast, with the smallest of models."""
    plan = plan_backtest("drifting_shop", days=10, seeds=[1])
    shop = {**plan.dataset.settings, "requests": 6000, "days": 18, "users": 400, "items": 200}
    shop |= {"departments": 4, "categories": 3, "drift": {"fashion": 1.0}}
    training = plan.model.training.model_copy(update={"batch_size": 256})
    return plan.model_copy(
        update={
            "dataset": plan.dataset.model_copy(update={"settings": shop}),
            "model": plan.model.model_copy(update={"training": training}),
        }
    )


@pytest.fixture(name="result", scope="module")
def _result(plan: BacktestPlan, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("result")
    replay(plan, root, folder, silent, facts={"Commit": "abc"})
    return folder


def read(folder: Path) -> BacktestResult:
    return BacktestResult.model_validate_json((folder / "backtest.json").read_text("utf-8"))


@pytest.mark.slow
def test_where_fashions_change_daily_beats_never_visibly(result: Path) -> None:
    told = read(result)
    (gain,) = [g for g in told.gains if (g.policy, g.metric) == ("daily", "auc")]
    assert gain.against == "never"
    assert gain.low > 0.02
    assert told.means["daily"]["log_loss"] < told.means["never"]["log_loss"]


@pytest.mark.slow
def test_policies_train_when_they_say_and_start_equal(result: Path) -> None:
    told = read(result)
    trained = {
        policy: [p.trained for p in told.points if p.policy == policy] for policy in told.policies
    }
    assert trained["never"] == ["full", *["kept"] * 9]
    assert trained["weekly"] == ["full", *["kept"] * 6, "warm", "kept", "kept"]
    assert trained["daily"] == ["full", *["warm"] * 9]
    assert len({p.auc for p in told.points if p.step == 0}) == 1
    for policy, oldest in (("never", 10.6), ("daily", 1.6)):
        assert max(p.age_days for p in told.points if p.policy == policy) <= oldest


@pytest.mark.slow
def test_results_stand_as_json_csv_and_a_page_without_scripts(result: Path) -> None:
    told = read(result)
    rows = list(csv.DictReader((result / "points.csv").read_text("utf-8").splitlines()))
    assert len(rows) == len(told.points) == 30
    assert float(rows[3]["auc"]) == told.points[3].auc
    page = (result / "backtest.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Retraining daily is worth" in page
    assert page.count('class="path ') >= 9  # three lines in each of three charts
    assert len(list((result / "models").iterdir())) == 3  # the others are no longer needed


@pytest.mark.slow
def test_a_killed_replay_goes_on_and_ends_with_the_same_points(
    plan: BacktestPlan, root: Path, tmp_path: Path
) -> None:
    short = plan.model_copy(update={"days": 3})
    tables = load_dataset(plan.dataset, root)
    scan = tables if isinstance(tables, TableScan) else tables.scan()
    points = Backtest(short, scan, tmp_path / "killed", silent).points()
    for _ in range(4):  # into the second window
        next(points)
    points.close()
    replay(short, root, tmp_path / "killed", silent)
    replay(short, root, tmp_path / "whole", silent)
    killed, whole = (
        [point.model_dump(exclude={"seconds"}) for point in read(tmp_path / name).points]
        for name in ("killed", "whole")
    )
    assert killed == whole


@pytest.mark.slow
def test_a_folder_of_another_backtest_is_refused(
    plan: BacktestPlan, root: Path, result: Path
) -> None:
    other = plan.model_copy(update={"seeds": (2,)})
    with pytest.raises(ConfigError, match="of other settings"):
        replay(other, root, result, silent)


def test_a_log_too_short_is_refused_before_any_training(plan: BacktestPlan, root: Path) -> None:
    long = plan.model_copy(update={"days": 18})
    with pytest.raises(SplitError, match="too few to replay 18"):
        replay(long, root, root / "short", silent)
    assert not (root / "short" / "models").exists()


def test_settings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    given = {"dataset": "simulator_drifting", "model": "din_tiny", "days": 4}
    given |= {"policies": {"odd": 3}, "window": {"test_days": 2}}
    path.write_text(json.dumps(given), encoding="utf-8")
    with pytest.raises(ConfigError, match="whole steps of test_days"):
        plan_backtest(str(path))


def test_a_gain_is_counted_window_by_window_after_the_first() -> None:
    def points(policy: str, values: list[float]) -> list[Point]:
        return [
            Point(seed=1, policy=policy, step=step, start_s=step * 86400, trained="kept",
                  age_days=1, impressions=10, clicks=1, auc=value, gauc=value, log_loss=1 - value)
            for step, value in enumerate(values)
        ]  # fmt: skip

    told = summarise(
        "x",
        {},
        "auc",
        {"daily": 1, "never": None},
        points("never", [0.9, 0.5, 0.5]) + points("daily", [0.9, 0.6, 0.8]),
    )
    assert told.policies == ("never", "daily")
    gains = {gain.metric: gain for gain in told.gains}
    assert gains["auc"].value == pytest.approx(0.2)
    assert gains["log_loss"].value == pytest.approx(0.2)  # better is positive
    assert gains["auc"].windows_better == 1.0
    assert told.over_time("daily", "auc") == [0.9, 0.6, 0.8]
