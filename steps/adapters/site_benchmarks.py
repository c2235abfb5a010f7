"""The benchmarks that a state folder holds, for the report site."""

from datetime import UTC, datetime
from pathlib import Path

from models.reports.benchmark_results import BenchmarkResult
from models.reports.benchmark_wording import benchmark_headline
from models.reports.site_content import Document
from steps.adapters.workspace import state_folder

KIND, PAGE, RESULT = "benchmark", "benchmark.html", "benchmark.json"


def read_benchmarks(unreadable: dict[str, str]) -> list[tuple[datetime, Document]]:
    """Return the pages of benchmarks, newest first; what cannot be read is put into ``unreadable``.

    A benchmark that was run again, with more seeds for instance, has a page for each result.
    """
    found = []
    for path in (state_folder() / "artifacts" / KIND).glob(f"*/{PAGE}"):
        told = path.with_name(RESULT)
        try:
            result = BenchmarkResult.model_validate_json(told.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            place = told.relative_to(state_folder()).as_posix()
            unreadable[place] = next(iter(str(error).splitlines()), type(error).__name__)
            continue
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        found.append((made, _document(path, result)))
    return sorted(found, key=lambda entry: entry[0], reverse=True)


def _document(path: Path, result: BenchmarkResult) -> Document:
    place = path.relative_to(state_folder())
    return Document(
        kind=KIND,
        title=result.title,
        address=place.as_posix(),
        key=place.parent.as_posix(),
        figures={
            "name": result.name,
            "data": result.facts.get("Data set", ""),
            "found": benchmark_headline(result).headline,
            "variants": len(result.rows),
            "trainings": len(result.cells),
            "missing": len(result.incomplete),
        },
    )
