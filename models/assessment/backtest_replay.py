"""A whole backtest in one folder: what it measured as JSON and CSV, and a page to read."""

import shutil
from pathlib import Path

from models.artifacts import Scalar
from models.assessment.backtest import MODELS, STEPS, STORES, Backtest, Progress
from models.assessment.backtest_settings import BacktestPlan
from models.assessment.backtest_summary import summarise, write_result
from models.data.datasets.registry import load_dataset
from models.data.tables import Tables
from models.errors import ConfigError
from models.files import write_text
from models.reports.backtest_page import write_backtest_page
from models.reports.backtest_results import BacktestResult, days_of

PLAN_FILE = "plan.json"


def replay(
    plan: BacktestPlan,
    root: Path,
    folder: Path,
    progress: Progress,
    *,
    facts: dict[str, Scalar] | None = None,
    fresh: bool = False,
) -> BacktestResult:
    """Run the backtest in ``folder``, and write backtest.json, points.csv and backtest.html there.

    Args:
        plan: What to replay.
        root: The project root, where the data set's relative paths start.
        folder: Gone on from where it holds the same plan.
        progress: Told one line a window.
        facts: What else the page is to name.
        fresh: Begin anew.

    Raises:
        SplitError: the log is too short.
        ConfigError: the folder holds another backtest.
    """
    _claim(plan, folder, fresh=fresh)
    tables = load_dataset(plan.dataset, root)
    scan = tables.scan() if isinstance(tables, Tables) else tables
    points = list(Backtest(plan, scan, folder, progress).points())
    told = facts_of(plan, facts or {})
    result = summarise(plan.name, told, plan.metric, plan.policies, points)
    write_result(result, folder)
    write_backtest_page(result, days_of(points), folder)
    return result


def _claim(plan: BacktestPlan, folder: Path, *, fresh: bool) -> None:
    """Make the folder this plan's; work of another plan in it is an error, other files stay."""
    mark, wanted = folder / PLAN_FILE, plan.model_dump_json(indent=1) + "\n"
    if fresh:
        for name in (STEPS, STORES, MODELS, "resume", "content"):
            shutil.rmtree(folder / name, ignore_errors=True)
    elif mark.is_file() and mark.read_text(encoding="utf-8") != wanted:
        raise ConfigError(
            "This folder holds a backtest of other settings.",
            where=str(folder),
            allowed="a folder of the same settings, or an empty one",
            do="Name another folder with --out, or begin anew with --fresh.",
        )
    write_text(mark, wanted)


def facts_of(plan: BacktestPlan, extra: dict[str, Scalar]) -> dict[str, str]:
    """Return what reproduces a backtest, readable."""
    often = {name: f"every {days} days" if days else "once" for name, days in plan.policies.items()}
    return {
        "Data set": plan.dataset.adapter,
        "Model": plan.model.model,
        "Days": str(plan.days),
        "Policies": "; ".join(f"{name}: {words}" for name, words in often.items()),
        "Training": plan.training,
        "Seeds": ", ".join(map(str, plan.seeds)),
        "Settings": plan.digest,
        **{name: str(value) for name, value in extra.items()},
    }
