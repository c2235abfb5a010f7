"""The pages as headless Chromium shows them: in the dashboard's sandbox, and on a phone."""

import os
import shutil
import subprocess
from html import escape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.reports.benchmark_page import write_benchmark_page
from models.reports.evaluation import evaluate
from models.reports.pages import write_evaluation_page, write_validation_page
from models.reports.verdicts import Check, ValidationVerdict
from tests.models.reports.measured_variants import make_benchmark, make_sweep

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


def chromium(folder: Path, *arguments: str) -> str:
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",
        "--disable-features=IsolateSandboxedIframes",  # a frame's own process may paint too late
        "--run-all-compositor-stages-before-draw",
        "--virtual-time-budget=4000",
        f"--user-data-dir={folder / 'profile'}",
        *arguments,
    ]
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    return done.stdout


@pytest.fixture(scope="module")
def page(scene, history, tmp_path_factory: pytest.TempPathFactory) -> str:
    evaluation = evaluate(scene.data, base_probability=scene.base, bootstrap=20, seed=0)
    folder = tmp_path_factory.mktemp("page")
    path = write_evaluation_page(evaluation, history, folder, "DAIAN", {"Commit": "f" * 40})
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True])
def test_evaluation_page_shows_in_a_sandboxed_frame(page: str, dark: bool, tmp_path: Path) -> None:
    outer, picture = tmp_path / "outer.html", tmp_path / "shot.png"
    frame = f'<iframe sandbox="" width="1200" height="1500" srcdoc="{escape(page)}"></iframe>'
    scheme = '<meta name="color-scheme" content="light dark">'
    outer.write_text(f"<!doctype html>{scheme}<body>{frame}</body>", encoding="utf-8")
    chromium(
        tmp_path,
        f"--screenshot={picture}",
        "--window-size=1280,1560",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        outer.as_uri(),
    )
    grey = np.asarray(Image.open(picture).convert("L"), dtype=float)[100:1400, 100:1100]
    assert (grey.mean() < 80) == dark
    assert grey.std() > 10  # text, tiles and figures, not an empty sheet
    rows_with_marks = (grey.max(axis=1) - grey.min(axis=1)) > 60
    assert rows_with_marks.mean() > 0.3


def test_no_page_is_wider_than_a_phone(page: str, tmp_path: Path) -> None:
    check = Check(
        table="impressions",
        column="a_column_with_quite_a_long_name",
        expectation="values are among a_long_list, of_allowed_values, that_goes_on_and_on",
        passed=False,
        observed="x" * 120,
        unexpected_count=3,
        examples=("row 1: " + "0123456789" * 9,),
    )
    path = write_validation_page(tmp_path, ValidationVerdict(passed=False, checks=(check,)))
    missing = [f"DIHN, seed 5: {'x' * 120}"]
    grid, sweep = (
        write_benchmark_page(result, tmp_path / result.main).read_text(encoding="utf-8")
        for result in (make_benchmark(seeds=2, incomplete=missing), make_sweep(seeds=2))
    )
    pages = (page, path.read_text(encoding="utf-8"), grid, sweep)
    frames = "".join(
        f'<iframe width="400" height="800" srcdoc="{escape(p)}"></iframe>' for p in pages
    )
    measure = (
        "<script>onload = () => { document.title = 'widths ' + [...document.querySelectorAll("
        "'iframe')].map(f => f.contentDocument.documentElement.scrollWidth).join(' ') }</script>"
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!doctype html><title></title>{frames}{measure}", encoding="utf-8")
    dom = chromium(tmp_path, "--dump-dom", outer.as_uri())
    assert "<title>widths 400 400 400 400</title>" in dom


def test_the_figures_of_a_benchmark_follow_the_readers_colours(tmp_path: Path) -> None:
    path, picture = write_benchmark_page(make_benchmark(seeds=2), tmp_path), tmp_path / "shot.png"
    chromium(
        tmp_path,
        f"--screenshot={picture}",
        "--window-size=1000,2900",
        "--blink-settings=preferredColorScheme=0",
        path.as_uri(),
    )
    pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=int)
    assert pixels.mean() < 80
    drawn = (np.abs(pixels - (125, 180, 240)).max(axis=-1) < 12).sum(axis=1) > 2  # --model in dark
    parts = np.flatnonzero(np.diff(np.flatnonzero(drawn)) > 100)
    assert len(parts) >= 3  # seeds, intents, gains and losses, apart from each other
