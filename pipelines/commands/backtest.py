"""``intentflow backtest [CONFIG]``: what retraining never, weekly and daily would have given."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the configuration."""
    parser.add_argument(
        "config",
        nargs="?",
        default="drifting_shop",
        help="a name in configs/backtests, or the path of a YAML file",
    )
    parser.add_argument("--days", type=int, help="replay so many of the newest days")
    parser.add_argument("--seeds", type=int, nargs="+", help="replay once with each")
    parser.add_argument(
        "--out", type=Path, help="folder of the results; by default in .intentflow/backtests"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew instead of going on where a run was killed"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay, print a line a window, write the results, and say where they are."""
    from models.assessment.backtest_replay import replay
    from pipelines.backtest_plan import plan_backtest
    from steps.adapters.workspace import git_commit, project_root, state_folder

    plan = plan_backtest(arguments.config, days=arguments.days, seeds=arguments.seeds)
    folder = arguments.out or state_folder() / "backtests" / f"{plan.name}-{plan.digest}"
    result = replay(
        plan,
        project_root(),
        folder,
        print,
        facts={"Commit": git_commit()},
        fresh=arguments.fresh,
    )
    for gain in result.gains:
        if gain.metric == plan.metric:
            print(
                f"{gain.policy} beside {gain.against}: {gain.metric} {gain.value:+.4f} "
                f"({gain.low:+.4f} to {gain.high:+.4f})"
            )
    print(f"{folder / 'backtest.html'}")
    return 0
