"""The report site: everything a state folder holds, told truly, in pages that open from disk."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from models.artifacts import read_manifest, write_artifact
from models.assessment.retraining import Decision
from models.data.watermark import Window
from models.errors import ConfigError
from models.files import write_text
from models.reports.benchmark_page import write_benchmark_page
from models.reports.drift_results import DriftVerdict, GroupVerdict
from models.reports.pages import (
    write_comparison_page,
    write_intent_page,
    write_validation_page,
)
from models.reports.verdicts import Check, Comparison, MetricDifference, ValidationVerdict
from steps.adapters.release_log import Event, Pointer, Release
from steps.adapters.report_site import build_site
from steps.adapters.retraining_windows import ClosedWindow, close
from steps.adapters.runs import RunReport
from steps.adapters.schedule_state import add_run, opened
from tests.models.reports.measured_variants import make_benchmark
from tests.site_audit import browse, crawl

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2026, 3, 1, 6, tzinfo=UTC)
LARGE = 1_200_000


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test alone, with nothing in it."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("INTENTFLOW_HOME", str(folder))
    return folder


@pytest.fixture
def full(state: Path) -> Path:
    """Three runs of one line: the first promoted, the second turned down, the third cached."""
    for number, (version, auc, promoted) in enumerate(
        (("aaa111", 0.71, True), ("bbb222", 0.69, False), ("bbb222", 0.69, False))
    ):
        write_run(state, number, version, auc, promoted=promoted, cached=number == 2)
    write_line(state)
    close_windows()
    return state


def write_run(
    state: Path, number: int, version: str, auc: float, *, promoted: bool, cached: bool = False
) -> RunReport:
    made = 1 if cached else number
    pages = {
        "Validation": validation(state),
        "Great Expectations Data Docs": validation(state).parent / "data_docs" / "index.html",
        "Intent levels": intents(state),
        "Drift summary": drift(state, made),
        "Drift, Evidently's full report": drift(state, made).parent / "drift.html",
        "Challenger and champion": comparison(state, made, auc),
    }
    name = f"workflow-{number}"
    report = RunReport(
        run=name, line="films", finished_at=START + timedelta(days=number), cached=cached,
        model=f"daian {version}", seed=1, commit="0a1b2c", data_hash="d41d8c.dir",
        metrics={"challenger": {"auc": auc, "gauc": auc - 0.02, "log_loss": 0.4, "ece": None},
                 "baseline": {"auc": 0.6, "gauc": 0.58, "log_loss": 0.5}},
        verdicts={"validation": {"passed": True, "checks": 12, "warnings": ["prices are known"]},
                  "drift": {"drifted": made == 1, "columns": []},
                  "gate": {"promote": promoted, "reasons": ["Met: enough impressions.", "More."]}},
        reports={title: str(path) for title, path in pages.items()},
        bento=f"intentflow:{version}", version=version, production="aaa111",
    )  # fmt: skip
    write_text(state / "runs" / name / "run.json", report.model_dump_json())
    return report


def validation(state: Path) -> Path:
    folder = state / "artifacts" / "validation" / "v0"
    if not folder.exists():
        check = Check(
            table="items", expectation="prices are known", severity="warning", passed=False
        )
        with write_artifact(folder, "validation") as draft:
            write_validation_page(draft.folder, ValidationVerdict(passed=True, checks=(check,)))
            docs = draft.folder / "data_docs"
            write_text(
                docs / "index.html",
                docs_page(
                    '<a href="suites/items.html#price">items</a>'
                    '<a href="gone.html">gone</a><a href="https://example.org/">elsewhere</a>'
                ),
            )
            write_text(
                docs / "suites" / "items.html",
                docs_page(
                    '<p id="price">price</p>'
                    '<img alt="" src="../pixel.gif"><a href="../index.html">back</a>'
                ),
            )
            (docs / "pixel.gif").write_bytes(b"GIF89a")
            draft.summary.update(passed=True, checks=12, warnings=1)  # fmt: skip
    return folder / "validation.html"


def docs_page(body: str) -> str:
    scheme = '<meta name="color-scheme" content="light dark">'
    return f"<!doctype html><html><head>{scheme}</head><body>{body}</body></html>"


def intents(state: Path) -> Path:
    folder = state / "artifacts" / "intents" / "i0"
    levels = pl.DataFrame(
        {"level": [0, 1], "low": [-1.0, 0.0], "high": [0.0, 1.0], "impressions": [90, 10],
         "share": [0.9, 0.1], "click_rate": [0.1, 0.4]}
    )  # fmt: skip
    if not folder.exists():
        with write_artifact(folder, "intents") as draft:
            write_intent_page(draft.folder, levels)
            draft.summary.update(levels=2, impressions_with_level=100, largest_share=0.9)
    return folder / "intents.html"


def drift(state: Path, number: int) -> Path:
    folder = state / "artifacts" / "drift" / f"d{number}"
    group = GroupVerdict(
        drifted=number == 1, statistic=0.1 + 0.3 * number, threshold=0.2, columns=("price",),
        sentence="Features moved: price is three times its threshold away.",
    )  # fmt: skip
    verdict = DriftVerdict(
        drifted=number == 1, groups={"features": group}, summary="Prices moved." * (number == 1),
        reference_rows=900, current_rows=100,
    )  # fmt: skip
    if not folder.exists():
        with write_artifact(folder, "drift") as draft:
            write_text(draft.folder / "verdict.json", verdict.model_dump_json())
            write_text(draft.folder / "summary.html", docs_page('<a href="drift.html">all</a>'))
            write_text(draft.folder / "drift.html", docs_page("x " * (LARGE // 2)))
    return folder / "summary.html"


def comparison(state: Path, number: int, auc: float) -> Path:
    folder = state / "artifacts" / "comparison" / f"c{number}"
    metric = MetricDifference(
        metric="auc", challenger=auc, champion=0.71, difference=auc - 0.71, low=-0.04, high=0.01
    )
    told = Comparison(promote=not number, reasons=("Met.",), challenger="daian", champion="aaa111",
                      metrics=(metric,) if number else ())  # fmt: skip
    if not folder.exists():
        with write_artifact(folder, "comparison") as draft:
            write_text(draft.folder / "comparison.json", told.model_dump_json())
            write_comparison_page(draft.folder, told)
    return folder / "comparison.html"


def benchmark(state: Path, key: str, *incomplete: str) -> Path:
    folder = state / "artifacts" / "benchmark" / key
    result = make_benchmark(seeds=2, incomplete=incomplete)
    with write_artifact(folder, "benchmark") as draft:
        write_text(draft.folder / "benchmark.json", result.model_dump_json())
        write_text(draft.folder / "cells.csv", "variant,seed\n")
        write_benchmark_page(result, draft.folder)
    return folder


def close_windows() -> None:
    """Two windows of the log: the first trained on in full, the second skipped."""
    for number, (kind, reason) in enumerate(
        (("full", "No champion."), ("skip", "9 of 1000 rows."))
    ):
        end = int((START + timedelta(days=number)).timestamp())
        closed = ClosedWindow(
            window=Window(start_s=0, end_s=end, watermark_s=end, impressions=9),
            decision=Decision.model_validate({"kind": kind, "reasons": (reason,)}),
            settings="0123456789", run=f"workflow-{number}", closed_at=START,
            version="" if number else "aaa111",
        )  # fmt: skip
        close("films", closed)


def write_line(state: Path) -> None:
    folder = state / "releases" / "films"
    events = []
    for number, (version, auc) in enumerate((("aaa111", 0.71), ("bbb222", 0.69))):
        release = Release(
            version=version, tag=f"intentflow:{version}", model_hash=version * 5,
            archive_hash="0" * 64, registered_at=START + timedelta(days=number),
            approved=not number, reasons=("Met: enough impressions.",),
            metrics={"test/auc": auc, "test/gauc": auc - 0.02}, run=f"workflow-{number}",
        )  # fmt: skip
        write_text(folder / "versions" / f"{version}.json", release.model_dump_json())
        events.append(event("register", None, version, number * 24, "Met; More"))
    events += [
        event("promote", None, "aaa111", 1, "Met; More", who="gate"),
        event("promote", "aaa111", "bbb222", 30, "a wish <b>", who="ann"),
        event("rollback", "bbb222", "aaa111", 31, "it hurt", who="ann"),
    ]
    write_text(folder / "history.jsonl", "".join(e.model_dump_json() + "\n" for e in events))
    pointer = Pointer(versions=("aaa111",), event=events[-1])
    write_text(folder / "production.json", pointer.model_dump_json())


def event(
    action: str, before: str | None, after: str, hours: float, reason: str, who: str = "run"
) -> Event:
    return Event.model_validate(
        {"at": START + timedelta(hours=hours), "who": who, "action": action, "reason": reason,
         "from_version": before, "to_version": after}
    )  # fmt: skip


def text_of(site: Path, page: str) -> str:
    return (site / page).read_text(encoding="utf-8")


def test_every_page_is_reached_and_every_link_lives(full: Path) -> None:
    site = build_site().index.parent
    assert site == full / "report"
    reached, dead = crawl(site)
    assert dead == []
    assert {p.relative_to(site).as_posix() for p in site.rglob("*.html")} == {
        place for place in reached if place.endswith(".html")
    }
    assert "artifacts/validation/v0/data_docs/pixel.gif" in reached
    assert len([place for place in reached if place.startswith("runs/")]) == 3


def test_links_that_lead_nowhere_become_words(full: Path) -> None:
    site = build_site().index.parent
    docs = text_of(site, "artifacts/validation/v0/data_docs/index.html")
    assert "<a>gone</a>" in docs
    assert "<a>elsewhere</a>" in docs
    assert 'href="suites/items.html#price"' in docs
    source = full / "artifacts" / "validation" / "v0" / "data_docs" / "index.html"
    assert 'href="gone.html"' in source.read_text(encoding="utf-8")


def test_the_runs_are_told_newest_first_with_what_was_released(full: Path) -> None:
    site = build_site().index.parent
    runs = text_of(site, "runs.html")
    places = [runs.index(f">workflow-{n}<") for n in (2, 1, 0)]
    assert places == sorted(places)
    assert runs.count("was in production") == 2
    assert runs.count(">in production<") == 1
    assert "made by an earlier run" in runs
    page = text_of(site, "runs/workflow-1.html")
    assert "0.6900" in page
    assert "−0.0200, 95\u202f% interval −0.0400 to +0.0100" in page
    assert "Prices moved." in page


def test_the_champions_are_told_with_reasons_and_drawn(full: Path) -> None:
    site = build_site().index.parent
    page = text_of(site, "champions.html")
    assert page.count("<svg viewBox") == 2
    assert "1 hour" in page
    assert "a wish &lt;b&gt;" in page
    assert "rolled back to" in page
    assert "it hurt" in page


def test_what_a_retraining_decided_is_told_with_its_reasons(full: Path) -> None:
    site = build_site().index.parent
    runs = text_of(site, "runs.html")
    assert runs.index("9 of 1000 rows.") < runs.index("No champion.")
    assert "skipped" in runs
    assert "full training" in text_of(site, "runs/workflow-0.html")


def test_what_schedules_did_is_told_the_newest_first(full: Path) -> None:
    due = START.timestamp()
    with opened() as log:
        add_run(log, "nightly", due, "succeeded", config={}, run="workflow-0", attempt=1,
                started_at=due + 1, ended_at=due + 121)  # fmt: skip
        add_run(log, "nightly", due + 86_400, "missed", config={}, reason="Nobody was there.")
    site = build_site().index.parent
    page = text_of(site, "schedules.html")
    assert page.index(">2026-03-02 06:00<") < page.index(">2026-03-01 06:00<")
    assert 'href="runs/workflow-0.html"' in page
    assert "2 minutes" in page
    assert "1 of 2 failed, timed out or were missed." in page
    assert "Nobody was there." in text_of(site, "index.html")


def test_benchmarks_are_listed_with_what_they_found_the_newest_first(full: Path) -> None:
    assert "benchmarks.html" not in text_of(build_site().index.parent, "index.html")
    first, second = benchmark(full, "b0", "DIHN, seed 2: out of memory"), benchmark(full, "b1")
    os.utime(first / "benchmark.html", (START.timestamp(), START.timestamp()))
    damaged = benchmark(full, "b2") / "benchmark.json"
    write_text(damaged, "{")
    built = build_site()
    site = built.index.parent
    assert list(built.unreadable) == ["artifacts/benchmark/b2/benchmark.json"]
    page = text_of(site, "benchmarks.html")
    places = [page.index(f'href="artifacts/benchmark/{f.name}/benchmark.html"')
              for f in (second, first)]  # fmt: skip
    assert places == sorted(places)
    assert page.count("DAIAN has the best AUC") == 3  # the headline and two lines
    assert "1 missing" in page[places[1] :]
    assert "2026-03-01 06:00" in page
    framed = text_of(site, "artifacts/benchmark/b1/benchmark.html")
    assert 'href="../../../benchmarks.html" aria-current="true"' in framed
    reached, dead = crawl(site)
    assert dead == []
    assert "artifacts/benchmark/b1/cells.csv" in reached
    assert "<a>benchmark.md</a>" in framed  # it was not written


def test_drift_is_told_once_a_window_with_how_far_each_group_moved(full: Path) -> None:
    page = text_of(build_site().index.parent, "drift.html")
    assert page.count("2.00×") == 1
    assert page.count("0.50×") == 1
    assert "1 of 2 windows drifted." in page


def test_nothing_at_all_is_a_site_too(state: Path) -> None:
    built = build_site()
    assert built.runs == 0
    assert crawl(built.index.parent)[1] == []
    assert "Nothing has run yet." in text_of(built.index.parent, "index.html")
    assert "No schedule is installed." in text_of(built.index.parent, "schedules.html")


def test_what_did_not_change_keeps_its_file_and_what_did_is_written(full: Path) -> None:
    site = build_site().index.parent
    before = {p.relative_to(site): p.stat().st_ino for p in site.rglob("*.html")}
    write_run(full, 3, "bbb222", 0.7, promoted=False)
    built = build_site()
    after = {p.relative_to(site): p.stat().st_ino for p in site.rglob("*.html")}
    same = {page for page, inode in before.items() if after.get(page) == inode}
    assert {Path("runs/workflow-0.html"), Path("artifacts/validation/v0/validation.html")} <= same
    assert built.kept >= len(same)
    changed = {Path("index.html"), Path("runs.html"), Path("evaluations.html")}
    assert not changed & same
    assert "workflow-3" in text_of(site, "runs.html")


def test_large_files_are_not_copied(full: Path) -> None:
    site = build_site().index.parent
    large = "artifacts/drift/d0/drift.html"
    assert (site / large).samefile(full / large)
    small = "artifacts/drift/d0/summary.html"
    assert not (site / small).samefile(full / small)


def test_pages_that_are_gone_are_told_and_not_linked(full: Path) -> None:
    (full / "artifacts" / "intents" / "i0" / "intents.html").unlink()
    site = build_site().index.parent
    assert crawl(site)[1] == []
    assert "intentflow checkout" in text_of(site, "runs/workflow-0.html")


def test_a_state_folder_that_moved_is_read_where_it_is_now(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = full.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("INTENTFLOW_HOME", str(moved))
    site = build_site().index.parent
    assert "artifacts/intents/i0/intents.html" in crawl(site)[0]


def test_one_damaged_file_hides_nothing_else(full: Path) -> None:
    (full / "runs" / "workflow-1" / "run.json").write_text("{", encoding="utf-8")
    built = build_site()
    assert list(built.unreadable) == ["runs/workflow-1/run.json"]
    assert built.runs == 2
    assert "runs/workflow-1/run.json" in text_of(built.index.parent, "runs.html")


def test_a_folder_of_other_files_is_refused_and_left_alone(full: Path, tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(ConfigError, match=r"(?s)may not take the place .* --out FOLDER"):
        build_site(other)
    assert [path.name for path in other.iterdir()] == ["cat.jpg"]
    (other / "cat.jpg").unlink()
    assert build_site(other).index == other / "index.html"
    assert build_site(other).kept > 0


def test_a_build_that_fails_leaves_the_site_before(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build_site().index.parent
    before = text_of(site, "index.html")
    record = full / "artifacts" / "validation" / "v0" / "validation.html"
    record.write_bytes(b"<html>\xff</html>")
    with pytest.raises(UnicodeDecodeError):
        build_site()
    assert text_of(site, "index.html") == before
    assert not list(full.glob(".partial-*"))


def test_two_builders_at_once_both_end_with_a_whole_site(full: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from steps.adapters.report_site import build_site; build_site()",
    ]
    workers = [subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
               for _ in range(2)]  # fmt: skip
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    assert crawl(full / "report")[1] == []


def test_fifty_runs_are_quick_and_need_no_torch(full: Path) -> None:
    for number in range(3, 50):
        write_run(full, number, "bbb222", 0.6 + number / 1000, promoted=False)
    program = (
        "import json, sys, time; from steps.adapters.report_site import build_site\n"
        "began = time.process_time(); built = build_site()\n"
        "print(json.dumps([built.runs, time.process_time() - began,"
        " sorted({'torch', 'zenml', 'bentoml', 'pandas'} & set(sys.modules))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    runs, seconds, heavy = json.loads(done.stdout)
    assert (runs, heavy) == (50, [])
    assert seconds < 3


def test_artifacts_stay_whole(full: Path) -> None:
    build_site()
    for kind in ("validation", "drift", "intents", "comparison"):
        for folder in (full / "artifacts" / kind).iterdir():
            manifest = read_manifest(folder)
            assert set(manifest.files) == {
                p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
            } - {"manifest.json"}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(400, True), (1280, False)])
def test_the_site_reads_well_in_a_browser(
    full: Path, chromium: Path, tmp_path: Path, *, width: int, dark: bool
) -> None:
    write_text(
        full / "backtests" / "films" / "backtest.html", docs_page("<p>Daily beats never.</p>")
    )
    benchmark(full, "b0", "DIHN, seed 2: out of memory")
    site = build_site().index.parent
    pages = sorted(p for p in crawl(site)[0] if p.endswith(".html") and "drift.html" not in p[8:])
    told, errors = browse(chromium, site, pages, tmp_path, width=width, dark=dark)
    assert errors == []
    assert [page["page"] for page in told if page["width"] > width] == []
    assert {page["page"]: page["pale"] for page in told if page["pale"]} == {}
    assert {page["dark"] for page in told} == {dark}
    assert len(told) == len(pages) > 15
