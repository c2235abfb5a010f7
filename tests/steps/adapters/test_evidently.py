import json
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from scipy.spatial.distance import jensenshannon

from models.errors import SchemaError
from models.reports.verdicts import DriftVerdict
from models.settings import Settings, load_settings, parse_settings
from steps.adapters.evidently import DriftConfig, drift_ui, report_drift
from steps.adapters.evidently_columns import Comparison, compare_columns
from steps.adapters.evidently_noise import js_distance, noise_threshold
from steps.adapters.evidently_settings import DEFAULT_EFFECTS
from steps.adapters.expectation_settings import ValidationConfig

ROOT = Path(__file__).resolve().parents[3]
CONFIG = DriftConfig()


def window(
    rows: int,
    seed: int,
    *,
    price: float = 1.0,
    click_rate: float = 0.2,
    intent: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.1),
    users: int | None = None,
) -> pl.DataFrame:
    """A window of a shop; with ``users``, each has a device and prices of their own."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows) if users else np.arange(rows)
    taste = np.random.default_rng(seed + 1).normal(0, 1, user.max() + 1)[user] if users else 0.0
    personal = np.random.default_rng(seed + 2).integers(0, 3, user.max() + 1)[user]
    return pl.DataFrame(
        {
            "user_id": user,
            "price": price * np.exp(3 + 0.5 * rng.normal(size=rows) + taste),
            "device": np.array(["app", "web", "tv"])[
                personal if users else rng.integers(0, 3, rows)
            ],
            "brand": [f"brand {n}" for n in rng.zipf(1.3, rows).clip(1, 10_000)],
            "hour": rng.integers(0, 24, rows),
            "has_trigger": rng.random(rows) < 0.9,
            "label": (rng.random(rows) < click_rate).astype(np.int8),
            "intent_level": rng.choice(len(intent), rows, p=intent).astype(np.int8),
            "sid_0": rng.integers(0, 64, rows),
            "score": rng.beta(2, 8, rows),
        }
    )


def distance(column: Comparison) -> float:
    counts = [
        np.bincount(bins, minlength=column.num_bins).astype(float)
        for bins in (column.reference_bins, column.current_bins)
    ]
    return float(js_distance(counts[0], counts[1]))


def noisy(
    reference: pl.DataFrame, current: pl.DataFrame, config: DriftConfig = CONFIG
) -> list[str]:
    """The columns past their noise alone, whatever effect is worth an alarm."""
    columns = compare_columns(reference, current, config)
    generator = np.random.default_rng(0)
    share = config.false_alarms / len(columns)
    return [
        column.name
        for column in columns
        if distance(column)
        > noise_threshold(column, false_alarm=share, resamples=200, generator=generator)
    ]


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    report_drift(
        window(6000, 1),
        window(3000, 2, price=1.3, click_rate=0.25, intent=(0.15, 0.2, 0.25, 0.2, 0.2)),
        CONFIG,
        folder / "report",
        folder / "workspace",
        "week 2",
    )
    return folder


def verdict_of(folder: Path) -> DriftVerdict:
    return DriftVerdict.model_validate_json((folder / "report" / "verdict.json").read_bytes())


def test_planted_drifts_are_found_and_nothing_else(drifted: Path) -> None:
    verdict = verdict_of(drifted)
    assert verdict.drifted
    assert {c.name: c.group for c in verdict.columns if c.drifted} == {
        "price": "features",
        "label": "label",
        "intent_level": "intent",
    }
    assert (verdict.reference_rows, verdict.current_rows) == (6000, 3000)
    assert len(verdict.reasons) == 3
    assert any(re.search(r"label went from \d+\.\d\d % clicked to", r) for r in verdict.reasons)


def test_the_statistic_is_the_jensen_shannon_distance_of_the_windows(drifted: Path) -> None:
    columns = {column.name: column for column in verdict_of(drifted).columns}
    found = compare_columns(
        window(6000, 1),
        window(3000, 2, price=1.3, click_rate=0.25, intent=(0.15, 0.2, 0.25, 0.2, 0.2)),
        CONFIG,
    )
    for column in found:
        counts = [
            np.bincount(bins, minlength=column.num_bins)
            for bins in (column.reference_bins, column.current_bins)
        ]
        expected = jensenshannon(counts[0], counts[1])
        assert columns[column.name].statistic == pytest.approx(expected, abs=1e-9), column.name


def test_the_verdict_is_what_evidently_tested(drifted: Path) -> None:
    (run,) = (drifted / "workspace").rglob("snapshots/*.json")
    snapshot = json.loads(run.read_text())
    text = json.dumps(snapshot)
    assert "js_distance" in text
    assert text.count("FAIL") >= 3
    for column in verdict_of(drifted).columns:
        assert column.drifted == (column.statistic > column.threshold)


def test_both_pages_stand_alone(drifted: Path) -> None:
    summary = (drifted / "report" / "summary.html").read_text()
    assert "The newest window has drifted: 3 of" in summary
    assert "<script" not in summary
    report = drifted / "report" / "drift.html"
    assert report.stat().st_size < 6_000_000
    assert not re.search(r'<(script|link)[^>]+(src|href)="http', report.read_text())


def test_runs_gather_in_one_project_without_the_data(drifted: Path) -> None:
    from evidently.ui.workspace import Workspace

    same = report_drift(
        window(300, 3), window(300, 4), CONFIG, drifted / "more", drifted / "workspace", "week 3"
    )
    assert same["drifted"] is False
    workspace = Workspace.create(str(drifted / "workspace"))
    (project,) = workspace.list_projects()
    assert project.name == "intentflow"
    assert len(workspace.list_runs(project.id)) == 2
    names = {path.suffix for path in (drifted / "workspace").rglob("*") if path.is_file()}
    assert not names & {".parquet", ".csv"}


def test_windows_of_one_distribution_seldom_alarm() -> None:
    everything = window(40_000, 5)
    alarms = 0
    for seed in range(20):
        mixed = everything.sample(fraction=1, shuffle=True, seed=seed)
        alarms += bool(noisy(mixed.head(2000), mixed.slice(2000, 1500)))
    assert alarms <= 2  # 20 runs at 2 %: three or more have a chance below 1 %


def test_windows_of_few_rows_seldom_alarm() -> None:
    alarms = [bool(noisy(window(120, 100 + k), window(80, 500 + k))) for k in range(20)]
    assert sum(alarms) <= 2


def test_users_with_habits_are_no_drift_but_would_be_taken_for_it_row_by_row() -> None:
    alone = CONFIG.model_copy(update={"unit": None, "ignore": ("user_id",)})
    pairs = [
        (window(3000, 10 * k, users=150), window(3000, 10 * k + 5, users=150)) for k in range(12)
    ]
    assert sum(bool(noisy(*pair)) for pair in pairs) <= 2
    assert sum(bool(noisy(*pair, alone)) for pair in pairs) >= 10


@pytest.mark.parametrize(
    ("planted", "column"),
    [
        ({"price": 1.25}, "price"),
        ({"price": 1000.0}, "price"),
        ({"click_rate": 0.26}, "label"),
        ({"intent": (0.2, 0.2, 0.2, 0.2, 0.2)}, "intent_level"),
    ],
)
def test_planted_drifts_are_found_in_almost_every_sample(
    planted: dict[str, object], column: str
) -> None:
    found = [
        column in noisy(window(4000, k), window(2000, 50 + k, **planted))  # type: ignore[arg-type]
        for k in range(20)
    ]
    assert sum(found) >= 19


def test_identifiers_without_drift_do_not_alarm() -> None:
    rng = np.random.default_rng(0)
    frames = [
        pl.DataFrame(
            {"item": [f"i{n}" for n in rng.integers(0, 50_000, 4000)], "label": [0, 1] * 2000}
        )
        for _ in range(2)
    ]
    (item, _) = compare_columns(frames[0], frames[1], CONFIG)
    assert item.num_bins <= CONFIG.top_categories + CONFIG.hash_buckets
    assert noisy(frames[0], frames[1]) == []


def test_values_that_go_missing_are_drift() -> None:
    reference, current = window(3000, 1), window(3000, 2)
    gone = current.with_columns(
        price=pl.when(pl.int_range(pl.len()) % 5 == 0).then(float("nan")).otherwise("price")
    )
    assert noisy(reference, gone) == ["price is missing"]
    emptied = current.with_columns(price=pl.lit(None, pl.Float64))
    assert noisy(reference, emptied) == ["price is missing"]


def test_a_new_category_is_drift() -> None:
    current = window(3000, 2).with_columns(
        device=pl.when(pl.int_range(pl.len()) % 12 == 0).then(pl.lit("watch")).otherwise("device")
    )
    assert noisy(window(3000, 1), current) == ["device"]


def test_an_effect_too_small_to_matter_does_not_alarm(tmp_path: Path) -> None:
    config = DriftConfig(column_minimum_effect={"price": 0.8}, sample_rows=1000)
    summary = report_drift(
        window(3000, 1), window(3000, 2, price=1.4), config, tmp_path / "r", tmp_path / "w", "run"
    )
    assert summary["drifted"] is False


def test_too_few_rows_are_told_and_are_no_drift(tmp_path: Path) -> None:
    summary = report_drift(
        window(300, 1), window(10, 2, price=9.0), CONFIG, tmp_path / "r", tmp_path / "w", "run"
    )
    assert summary == {
        "drifted": False,
        "columns": 0,
        "drifted_columns": 0,
        "names": "",
        "reference_rows": 300,
        "current_rows": 10,
    }
    assert "Not enough rows" in (tmp_path / "r" / "summary.html").read_text()
    assert (tmp_path / "r" / "drift.html").is_file()


def test_windows_of_different_columns_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="differ in their columns: price"):
        report_drift(
            window(100, 1), window(100, 2).drop("price"), CONFIG, tmp_path, tmp_path / "w", "run"
        )


def test_the_configuration_file_says_the_defaults() -> None:
    config = load_settings(DriftConfig, ROOT / "configs" / "drift" / "default.yaml")
    assert config.minimum_effect == DEFAULT_EFFECTS
    assert config.model_copy(update={"minimum_effect": {}}) == CONFIG


@pytest.mark.parametrize("kind", [("drift", DriftConfig), ("validation", ValidationConfig)])
def test_the_documented_configurations_are_valid(kind: tuple[str, type[Settings]]) -> None:
    name, settings = kind
    page = (ROOT / "docs" / "how-to" / f"review-{name}.md").read_text(encoding="utf-8")
    (block,) = re.findall(
        rf'```yaml title="configs/{name}/my_shop.yaml"\n(.*?)```', page, re.DOTALL
    )
    parse_settings(settings, yaml.safe_load(block), name)


@pytest.mark.slow
def test_the_workspace_opens_in_a_browser_on_this_machine(drifted: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = drift_ui(drifted / "workspace", port)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            projects = json.loads(_answer(f"http://127.0.0.1:{port}/api/projects", server))
        finally:
            server.terminate()
    assert [project["name"] for project in projects] == ["intentflow"]


def _answer(address: str, server: subprocess.Popen[bytes]) -> bytes:
    """What the server says, once it is up."""
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=2) as response:
                return response.read()
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server did not answer within a minute")
