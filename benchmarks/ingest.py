"""Ingest of a log larger than memory, plain and packed, against readers that only read it.

Each way runs in a process of its own. `intentflow` is all of ingest: types, dirty rows, keys,
labels and the canonical parquet files. The others read the same file and write its columns as
parquet, with no check at all: pandas in chunks, and Polars at once.

python -m benchmarks.ingest --quick
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.report import commit, finish, options
from models.data.datasets.generic import Generic
from models.data.datasets.generic_settings import GenericSettings
from models.data.tables import write_tables
from models.settings import parse_settings

ITEMS, USERS, BLOCK = 200_000, 1_000_000, 1_000_000
PACKINGS = {"plain": None, "gz": "gzip", "zst": "zstd"}


def write_log(path: Path, rows: int, seed: int = 1) -> None:
    """Write a log of impressions, with columns that ingest has no use for, as logs have."""
    generator, begin = np.random.default_rng(seed), 1_700_000_000
    with path.open("wb") as file:
        for first in range(0, rows, BLOCK):
            count = min(BLOCK, rows - first)
            number = np.arange(first, first + count)
            frame = pl.DataFrame(
                {
                    "user_id": generator.integers(1, USERS, count),
                    "item_id": generator.zipf(1.3, count) % ITEMS + 1,
                    "timestamp": begin + number // 100,
                    "label": (generator.random(count) < 0.1).astype(np.int8),
                    "request_id": number // 5,
                    "device": generator.choice(["phone", "desktop", "tablet"], count),
                    "campaign": generator.integers(0, 1_000_000_000, count),
                    "referrer": generator.choice(["search", "mail", "advert", "none"], count),
                }
            )
            frame.write_csv(file, include_header=first == 0)


def write_dirty(clean: Path, path: Path) -> None:
    """Copy a log, spoiling one line in a thousand: a time, an id, or the number of cells."""
    spoil = (b"%b,1,soon,1,1,phone,1,none", b",1,1700000000,1,1,phone,1,none", b"%b,too,short")
    with clean.open("rb") as source, path.open("wb") as target:
        for number, line in enumerate(source):
            if number % 1000 == 999:
                line = spoil[number // 1000 % 3].replace(b"%b", b"7") + b"\n"
            target.write(line)


def packed(path: Path, packing: str) -> Path:
    """Write the file packed, beside it."""
    target = path.with_name(f"{path.name}.{packing}")
    with path.open("rb") as source, pa.output_stream(str(target), PACKINGS[packing]) as sink:
        while chunk := source.read(1 << 24):
            sink.write(chunk)
    return target


def with_intentflow(path: Path, out: Path) -> int:
    """Ingest the log as the generic adapter does, and return its rows."""
    settings = {
        "name": "log",
        "path": str(path.parent),
        "items": {"files": "items.csv"},
        "impressions": {"files": path.name},
        "item_text": ["title"],
        "context_fields": ["device"],
        "dirty_rows": {"policy": "drop"},
    }
    tables = Generic.load(parse_settings(GenericSettings, settings, "benchmark"), Path())
    write_tables(tables, out)
    return int(tables.spec.facts["impressions_read"] or 0)


def with_pandas(path: Path, out: Path) -> int:
    """Read the log with pandas, a million rows at a time, and write parquet."""
    import pandas as pd
    import pyarrow.parquet as pq

    rows, writer, out = 0, None, out.with_suffix(".parquet")
    for chunk in pd.read_csv(pa.input_stream(str(path)), chunksize=BLOCK):
        table = pa.Table.from_pandas(chunk, preserve_index=False)
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(chunk)
    if writer is not None:
        writer.close()
    return rows


def with_polars(path: Path, out: Path) -> int:
    """Read the log with Polars, all rows at once, and write parquet."""
    frame = pl.read_csv(path)
    frame.write_parquet(out.with_suffix(".parquet"))
    return frame.height


WAYS: dict[str, Callable[[Path, Path], int]] = {
    "intentflow": with_intentflow,
    "pandas chunks": with_pandas,
    "polars at once": with_polars,
}


def measure(way: str, path: Path, folder: Path) -> dict[str, Any]:
    """Return what one way takes for one file, measured in a process of its own."""
    arguments = [sys.executable, "-m", "benchmarks.ingest", "--way", way, "--file", str(path)]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        ended = subprocess.run(
            [*arguments, "--out", f"{out}/out"], capture_output=True, text=True, check=False
        )
    if ended.returncode:
        raise SystemExit(f"{way} of {path.name} failed: {ended.stderr[-2000:]}")
    return {"way": way, "file": path.name, **json.loads(ended.stdout.splitlines()[-1])}


def one_way(arguments: argparse.Namespace) -> None:
    """Run one way in this process and print what it took."""
    imported = _cpu_s()
    rows = WAYS[arguments.way](arguments.file, arguments.out)
    took = _cpu_s() - imported
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"rows/CPU-s": round(rows / took), "CPU s": took, "peak GB": peak}))


def main() -> None:
    """Write the logs, run every way over every form, and compare."""
    parser = options(__doc__ or "")
    parser.add_argument("--rows", type=int, help="of the log; 50 bytes each")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where the logs are written")
    arguments = parser.parse_args()
    if arguments.way:
        one_way(arguments)
        return
    rows = arguments.rows or (1_000_000 if arguments.quick else 40_000_000)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as created:
        folder = Path(created)
        found, size, digest = _measured(folder, rows)
    facts = {"rows": rows, "bytes": size, "data": digest, "commit": commit()}
    finish(found, arguments, facts)


def _measured(folder: Path, rows: int) -> tuple[list[dict[str, Any]], int, str]:
    log, dirty = folder / "log.csv", folder / "dirty.csv"
    items = pl.DataFrame({"item_id": np.arange(1, ITEMS + 1), "title": "thing"})
    items.write_csv(folder / "items.csv")
    write_log(log, rows)
    with log.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    found = [measure(way, log, folder) for way in WAYS]
    size = log.stat().st_size
    for packing in ("gz", "zst"):
        path = packed(log, packing)
        found += [measure(way, path, folder) for way in WAYS]
        path.unlink()
    write_dirty(log, dirty)
    found.append(measure("intentflow", dirty, folder))
    for row in found:
        same = next(r for r in found if (r["way"], r["file"]) == ("pandas chunks", _like(row)))
        row["× pandas"] = row["rows/CPU-s"] / same["rows/CPU-s"]
    return found, size, digest


def _like(row: dict[str, Any]) -> str:
    return "log.csv" if row["file"] == "dirty.csv" else row["file"]


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
