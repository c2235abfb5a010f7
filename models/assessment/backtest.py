"""Replays weeks of a log: how good models stay that are retrained never, weekly, daily.

A model is scored on each window before any model learns from it. All policies start from one full
training. After every window the result is on disk, so that a killed backtest goes on from there;
the same settings give the same points.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from models.assessment.backtest_inputs import Inputs, Prepared
from models.assessment.backtest_settings import BacktestPlan
from models.assessment.recoding import store_for
from models.data.append import append_examples
from models.data.examples import ExampleStore, build_example_store
from models.data.newer_rows import keep_newer, train_span
from models.data.tables import TableScan
from models.data.vocabulary import Vocabularies
from models.data.watermark import DAY_S, Window, cut_tables, newest_window, told_time
from models.errors import SplitError
from models.files import new_folder, remove_leftovers, write_text
from models.metrics.ranking import auc, gauc, log_loss
from models.reports.backtest_results import Point, Trained
from models.settings import digest
from models.training.model_folder import load_model
from models.training.scoring import score
from models.training.trainer import train

STEPS, STORES, MODELS, SECONDS = "steps", "stores", "models", "seconds.txt"
Progress = Callable[[str], None]


class Standing(BaseModel):
    """A policy's model.

    Attributes:
        model: Its folder, from the backtest's.
        trained_until_s: Time of its newest train row, UTC seconds.
        full_until_s: The same of the full training it goes back to.
        seconds: What its last training took.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    trained_until_s: int
    full_until_s: int
    seconds: float


class Done(BaseModel):
    """What is on disk of a step: its points, and each policy's model, by seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    points: tuple[Point, ...]
    standings: dict[int, dict[str, Standing]]


@dataclass(frozen=True)
class _Step:
    """A window of the replay."""

    number: int
    window: Window
    store: Path


class Backtest:
    """One replay in one folder.

    Args:
        plan: What to replay.
        scan: The log.
        folder: Receives everything; a folder of the same plan is gone on from.
        progress: Told one line a step.
    """

    def __init__(
        self, plan: BacktestPlan, scan: TableScan, folder: Path, progress: Progress
    ) -> None:
        self.plan, self.folder = plan, folder
        self._scan, self._tell = scan, progress
        self._examples = plan.dataset.examples.model_copy(
            update={"split": plan.rules.window.split()}
        )
        self._inputs = Inputs(plan, scan, folder / "content")

    def points(self) -> Iterator[Point]:
        """Yield every point, those on disk first; each step is kept before the next begins."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        done: Done | None = None
        for number, window in enumerate(self._windows()):
            path = self.folder / STEPS / f"{number:04}.json"
            if path.is_file():
                done = Done.model_validate_json(path.read_bytes())
            else:
                done = self._run(_Step(number, window, self._store(number, window)), done)
                write_text(path, done.model_dump_json() + "\n")
                self._forget(number, done)
                self._tell(_line(number, self.plan, window, done))
            yield from done.points

    def _windows(self) -> list[Window]:
        """Return the windows of all steps; the last one ends where the log is complete.

        Raises:
            SplitError: the log is too short.
        """
        rules, steps = self.plan.rules.window, self.plan.steps
        newest = newest_window(self._scan, rules, None)
        oldest = self._scan.impressions.select(pl.col("timestamp").min()).collect().item()
        length = rules.test_days * DAY_S
        end = 0 if newest is None else newest.end_s - (steps - 1) * length
        if newest is None or end - length - rules.valid_days * DAY_S <= oldest:
            days = 0 if newest is None else (newest.end_s - oldest) / DAY_S
            raise SplitError(
                f"The log has {days:.1f} whole days, too few to replay {self.plan.days} of them.",
                where="days of the backtest",
                allowed="fewer days than the log has, with a first training before them",
                do="Replay fewer days, or bring a longer log.",
            )
        ends = [end + step * length for step in range(steps)]
        start = round(rules.days * DAY_S)
        return [newest.model_copy(update={"start_s": e - start, "end_s": e}) for e in ends]

    def _store(self, number: int, window: Window) -> Path:
        """Return the store of a step: the one before with this window's rows appended."""
        folder, before = self._place(number), self._place(number - 1)
        if folder.is_dir():
            return folder
        with new_folder(folder) as into:
            if before.is_dir():
                begin = window.end_s - self.plan.rules.window.test_days * DAY_S
                part = _between(self._scan, begin, window.end_s)
                append_examples(before, part, self._examples, into, seed=1)
            else:
                cut = cut_tables(self._scan, window, self._examples)
                build_example_store(cut, self._examples, into, seed=1)
        return folder

    def _place(self, number: int) -> Path:
        return self.folder / STORES / f"{number:04}"

    def _run(self, step: _Step, before: Done | None) -> Done:
        prepared = self._inputs.prepare(ExampleStore.open(step.store), step.store)
        points: list[Point] = []
        standings: dict[int, dict[str, Standing]] = {}
        for seed in self.plan.seeds:
            known = before.standings[seed] if before else {}
            own: dict[str, Standing] = {}
            for policy in self.plan.policies:
                point, own[policy] = self._play(step, prepared, seed, policy, known.get(policy))
                points.append(point)
            standings[seed] = own
        return Done(points=tuple(points), standings=standings)

    def _play(
        self, step: _Step, prepared: Prepared, seed: int, policy: str, known: Standing | None
    ) -> tuple[Point, Standing]:
        """Train where the policy says so, then score the window."""
        trained: Trained = "kept"
        if known is None or self.plan.due(policy, step.number):
            trained = self._kind(step, known)
            known = self._trained(step, prepared, seed, known if trained == "warm" else None)
        store = ExampleStore.open(step.store)
        rows = store.rows("test")
        folder = self.folder / known.model
        loaded = load_model(folder)
        recoded = store_for(store, Vocabularies.load(folder))
        told = score(loaded.model, recoded, rows, calibration=loaded.calibration)
        labels = np.asarray(store.label[rows])
        days = self.plan.rules.window.test_days
        point = Point(
            seed=seed,
            policy=policy,
            step=step.number,
            start_s=step.window.end_s - days * DAY_S,
            trained=trained,
            age_days=round((step.window.end_s - known.trained_until_s) / DAY_S, 3),
            impressions=len(rows),
            clicks=int(labels.sum()),
            auc=auc(labels, told.probability),
            gauc=gauc(labels, told.probability, np.asarray(store.user[rows])).value,
            log_loss=log_loss(labels, told.probability),
            seconds=0.0 if trained == "kept" else known.seconds,
        )
        return point, known

    def _kind(self, step: _Step, known: Standing | None) -> Trained:
        every = self.plan.rules.decision.full_every_days
        if known is None or self.plan.training == "full":
            return "full"
        age = (step.window.end_s - known.full_until_s) / DAY_S
        return "full" if every is not None and age >= every else "warm"

    def _trained(
        self, step: _Step, prepared: Prepared, seed: int, older: Standing | None
    ) -> Standing:
        """Return a model trained at this step; policies that do the same share it."""
        start = older.model_dump(exclude={"seconds"}) if older else {}
        name = f"{MODELS}/{step.number:04}-{digest([seed, start])[:12]}"
        folder = self.folder / name
        store, rules = ExampleStore.open(step.store), self.plan.rules.warm
        if older is not None:
            keep_newer(store, older.trained_until_s, rules.replay_share, seed)
        until = train_span(store)[1]
        if not folder.is_dir():
            with new_folder(folder) as into:
                told = train(
                    self.plan.model if older is None else self.plan.warm_model,
                    store,
                    prepared.catalogue,
                    prepared.intents,
                    into,
                    seed=seed,
                    resume_folder=self.folder / "resume" / folder.name,
                    warm_start=self.folder / older.model if older else None,
                )
                write_text(into / SECONDS, f"{told['seconds']}\n")
        return Standing(
            model=name,
            trained_until_s=until,
            full_until_s=older.full_until_s if older else until,
            seconds=float((folder / SECONDS).read_text(encoding="utf-8")),
        )

    def _forget(self, number: int, done: Done) -> None:
        """Delete the stores and models that no later step reads."""
        used = {own.model for each in done.standings.values() for own in each.values()}
        for path in (self.folder / MODELS).iterdir():
            if f"{MODELS}/{path.name}" not in used:
                shutil.rmtree(path)
        for path in (self.folder / STORES).iterdir():
            if not path.name.startswith(f"{number:04}"):
                shutil.rmtree(path)


def _between(scan: TableScan, start: int, end: int) -> TableScan:
    inside = (pl.col("timestamp") >= start) & (pl.col("timestamp") < end)
    return replace(
        scan, impressions=scan.impressions.filter(inside), behaviours=scan.behaviours.filter(inside)
    )


def _line(number: int, plan: BacktestPlan, window: Window, done: Done) -> str:
    """Return a step in one line: each policy's mean over seeds."""
    told = []
    for policy in plan.policies:
        own = [getattr(point, plan.metric) for point in done.points if point.policy == policy]
        told.append(f"{policy} {np.mean(own):.4f}")
    return f"{number + 1}/{plan.steps}  to {told_time(window.end_s)}  {'  '.join(told)}"
