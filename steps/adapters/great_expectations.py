"""Validate the canonical tables with Great Expectations: verdict, page and Data Docs."""

import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from models.artifacts import Scalar
from models.data.example_settings import ExamplesConfig
from models.data.schema import TABLES
from models.data.tables import Tables, TableScan
from models.errors import MissingDataError, ValidationFailedError
from models.files import write_text
from models.reports.validation_page import write_validation_page
from steps.adapters import expectation_signals as signals
from steps.adapters import expectation_suites as suites
from steps.adapters.expectation_checks import (
    Checklist,
    NamedCheck,
    NamedVerdict,
    Planned,
    figure_column,
)
from steps.adapters.expectation_docs import make_offline
from steps.adapters.expectation_figures import is_canonical
from steps.adapters.expectation_scope import SHOWN_ROWS, look_at
from steps.adapters.expectation_settings import ValidationConfig
from steps.adapters.expectation_verdict import Judged, allowed_words, make_verdict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ValidationConfig", "require_valid", "validate_tables"]

VERDICT, PAGE, DOCS = "verdict.json", "validation.html", "data_docs"
COMPUTED = "across_tables"


def validate_tables(
    tables: Tables | TableScan,
    examples_config: ExamplesConfig,
    config: ValidationConfig,
    folder: Path,
    images_root: Path | None = None,
) -> dict[str, Scalar]:
    """Return the counts of checks; write verdict.json, validation.html and data_docs/.

    Nothing is raised for bad data: `require_valid` does that, once the evidence is on disk.

    Args:
        tables: The canonical tables; a log longer than ``config.max_rows`` is looked through in
            passes, and only some users' events are held in memory.
        examples_config: Says what triggers and histories the examples will need.
        config: Severities and thresholds.
        folder: Where the files go.
        images_root: The folder that ``items.image_path`` is relative to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / DOCS, ignore_errors=True)
    scope = look_at(tables, config.max_rows)
    checklist = Checklist(config, scope)
    suites.add_structure(checklist, scope.tables)
    if is_canonical(scope.tables):
        _add_contents(checklist, scope.tables, examples_config, images_root)
    order = {name: place for place, name in enumerate(TABLES)}
    checks = sorted(checklist.checks, key=lambda check: order[check.table])
    with _quiet():
        judged = _judge(checks, scope.tables, folder / DOCS)
    make_offline(folder / DOCS)
    verdict = make_verdict(judged, scope)
    _write(folder, verdict)
    return {
        "passed": verdict.passed,
        "checks": len(verdict.checks),
        "critical_failed": len(verdict.critical),
        "warnings": len(verdict.warnings),
    }


def require_valid(folder: Path) -> None:
    """Check the verdict in ``folder``.

    Raises:
        ValidationFailedError: a critical check failed; it names table, column, number of rows, up
            to five of them, what is allowed and what to do, for every one that failed.
        MissingDataError: there is no verdict.
    """
    path = folder / VERDICT
    if not path.is_file():
        raise MissingDataError(
            "The tables were not validated.", where=str(path), do="Run the validate step first."
        )
    verdict = NamedVerdict.model_validate_json(path.read_bytes())
    failed = [c for c in verdict.checks if not c.passed and c.severity == "critical"]
    if failed:
        alone = failed[0] if len(failed) == 1 else None
        raise ValidationFailedError(
            _headline(failed) + "".join(f"\n{_failure(check)}" for check in failed),
            where="; ".join(dict.fromkeys(_place(check) for check in failed)),
            allowed=alone.allowed if alone else "as said of each check above",
            do=(alone.do if alone else "Correct what is named above.")
            + f" Thresholds stand in configs/validation; the whole report is {folder / PAGE}.",
        )


def _add_contents(
    checklist: Checklist, tables: Tables, examples: ExamplesConfig, images_root: Path | None
) -> None:
    suites.add_items(checklist, tables, images_root)
    suites.add_users(checklist, tables)
    suites.add_impressions(checklist, tables)
    signals.add_labels(checklist, tables, examples)
    signals.add_context(checklist, tables, examples)
    suites.add_behaviours(checklist, tables)


def _judge(checks: Sequence[Planned], tables: Tables, site: Path) -> list[Judged]:
    """Return what Great Expectations finds of each check; its Data Docs stand in ``site``."""
    context = _context(site)
    source = context.data_sources.add_pandas("canonical_tables")
    results: dict[int, Mapping[str, Any]] = {}
    direct = [check for check in checks if check.figure is None]
    for table in TABLES:
        own = [check for check in direct if check.table == table]
        if own:
            frame = _to_pandas(tables.table(table), own)
            results |= _run(context, source, table, own, frame)
    figures = [check for check in checks if check.figure is not None]
    if figures:
        results |= _run(context, source, COMPUTED, figures, _figure_frame(figures))
    context.build_data_docs()
    return [(check, results[id(check)]) for check in checks]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from calling home, logging, and warning of its own libraries."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # its import logs too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _context(site: Path) -> Any:
    """Return a context without files or progress bars; its Data Docs go to ``site``."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    files = {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(site.resolve()),
    }
    docs: Any = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": files}
    docs["site_index_builder"] = {"class_name": "DefaultSiteIndexBuilder"}
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"data_docs": docs},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _run(
    context: Any, source: Any, name: str, checks: Sequence[Planned], frame: "pd.DataFrame"
) -> dict[int, Mapping[str, Any]]:
    """Return the result of each check, by its identity, after one validation of ``frame``."""
    import great_expectations as gx
    from great_expectations.core import RunIdentifier

    batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    suite = context.suites.add(gx.ExpectationSuite(name=name))
    suite.expectations = [_expectation(check, place) for place, check in enumerate(checks)]
    suite.save()
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=batch, suite=suite)
    )
    outcome = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": SHOWN_ROWS},
        run_id=RunIdentifier(run_name="validation"),
    )
    found = [result.to_json_dict() for result in outcome.results]
    return {id(checks[r["expectation_config"]["meta"]["place"]]): r for r in found}


def _expectation(check: Planned, place: int) -> Any:
    from great_expectations import expectations

    name = "".join(part.capitalize() for part in check.kind.split("_"))
    return getattr(expectations, name)(
        **check.arguments,
        severity=check.settings.severity,
        meta={"check": check.name, "place": place},
        description=_docs_line(check) if check.figure is not None else None,
    )


def _docs_line(check: Planned) -> str:
    place = f"{check.table}.{check.column}" if check.column else check.table
    return f"{place}: {check.words}. Allowed: {allowed_words(check)}."


def _to_pandas(frame: pl.DataFrame, checks: Iterable[Planned]) -> "pd.DataFrame":
    """Return the columns that ``checks`` read; all of them, without rows, for a check of names."""
    named = {str(check.arguments.get("column", "")) for check in checks}
    named |= {name for check in checks for name in check.arguments.get("column_list", ())}
    if not named - {""}:
        return frame.head(0).to_pandas()
    columns = [name for name in frame.columns if name in named]
    others = [name for name in frame.columns if name not in named]
    pandas = frame.select(columns).to_pandas()
    return pandas.assign(**dict.fromkeys(others, None)) if others else pandas


def _figure_frame(checks: Sequence[Planned]) -> "pd.DataFrame":
    import pandas as pd

    figures = ((figure_column(c.name, c.column), c.figure) for c in checks)
    return pd.DataFrame({name: [figure.value] for name, figure in figures if figure})


def _write(folder: Path, verdict: NamedVerdict) -> None:
    """Write page and verdict; the verdict last, so that it is never there without the page."""
    write_validation_page(folder, verdict)
    content = verdict.model_dump(mode="json")
    named = {c.name: c for c in verdict.checks if not c.passed}
    content["critical"] = [n for n, c in named.items() if c.severity == "critical"]
    content["warnings"] = [n for n, c in named.items() if c.severity == "warning"]
    write_text(folder / VERDICT, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _headline(failed: Sequence[NamedCheck]) -> str:
    if len(failed) == 1:
        return "The data are not fit for use: a critical check failed."
    return f"The data are not fit for use: {len(failed)} critical checks failed."


def _failure(check: NamedCheck) -> str:
    observed = f" Observed: {check.observed}." if check.observed else ""
    count = f" {check.unexpected_count:,} at fault:" if check.unexpected_count else ""
    rows = "".join(f"\n      {example}" for example in check.examples)
    return (
        f"  - {_place(check)}: {check.expectation}. [{check.name}]{observed}{count}{rows}"
        f"\n      allowed: {check.allowed}\n      do: {check.do}"
    )


def _place(check: NamedCheck) -> str:
    return f"table {check.table}, column {check.column}" if check.column else f"table {check.table}"
