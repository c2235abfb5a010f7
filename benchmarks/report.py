"""What all benchmarks share: their options, where results go, and the table they end with."""

import argparse
import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smaller, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    return parser


def finish(
    rows: Sequence[dict[str, Any]],
    arguments: argparse.Namespace,
    facts: dict[str, Any],
    measured: Sequence[dict[str, Any]] | None = None,
) -> None:
    """Print the rows as a table, and write them with the facts that reproduce them.

    Args:
        rows: The table.
        arguments: The parsed options.
        facts: What reproduces it.
        measured: What the file holds in place of the rows, where they are rounded.
    """
    facts = {"python": platform.python_version(), **facts}
    if arguments.json:
        kept = list(rows if measured is None else measured)
        text = json.dumps({"facts": facts, "rows": kept}, indent=2) + "\n"
        arguments.json.write_text(text, encoding="utf-8")
    print(table(rows))
    print("\n" + ", ".join(f"{key} {value}" for key, value in facts.items()))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table; numbers have four digits."""
    columns = list(rows[0])
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    lines = [columns, ["-" * width for width in widths], *cells]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def commit() -> str:
    """Return the commit measured, with ``+`` where files were changed since."""
    told = [
        subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()
        for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "-uno"))
    ]
    return told[0] + ("+" if told[1] else "")


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
