"""Nothing on the way from a raw file to a table may need all of its rows at once."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.data.datasets import columns as read_as
from models.data.datasets.dirty_rows import DirtyRows
from models.data.datasets.generic_settings import LabelRule
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.datasets.scratch import Scratch
from models.data.datasets.staging import Column, Source, stage

FALLBACK = 'fillcolor="0.0 0.3 1.0"'  # of a node that holds all rows, in Polars' physical plan


def plan(query: pl.LazyFrame) -> str:
    drawn = query.show_graph(raw_output=True, engine="streaming", plan_stage="physical")
    return str(drawn)


class Watched(Scratch):
    """A scratch that also keeps the plans of what it is given."""

    def __init__(self) -> None:
        super().__init__(in_memory=True)
        self.plans: list[str] = []

    def keep(self, query: pl.LazyFrame) -> pl.LazyFrame:
        self.plans.append(plan(query))
        return super().keep(query)


def test_the_plan_tells_an_expression_that_does_not_stream() -> None:
    cells = pl.LazyFrame({"a": ["1", "0"]})
    whole = cells.select(pl.col("a").replace_strict({"1": 1, "0": 0}, default=None))
    assert FALLBACK in plan(whole)
    assert FALLBACK not in plan(cells.select(pl.col("a").cast(pl.Int64)))


CONVERTERS = {
    "ids": (read_as.ids, "u1"),
    "optional ids": (read_as.optional_ids, ""),
    "seconds": (read_as.timestamps("s"), "1700000000"),
    "microseconds": (read_as.timestamps("us"), "1700000000000000"),
    "iso": (read_as.timestamps("iso"), "2023-11-14T22:13:20+01:00"),
    "labels": (read_as.labels(LabelRule()), "true"),
    "positive": (read_as.labels(LabelRule(positive=("buy",))), "buy"),
    "positive and negative": (read_as.labels(LabelRule(positive=("a",), negative=("b",))), "c"),
    "above": (read_as.labels(LabelRule(above=3, below=3)), "4.5"),
    "numbers": (read_as.numbers, "2.5"),
    "whole numbers": (read_as.whole_numbers, "7"),
    "texts": (read_as.filled_texts, "cup"),
    "categories": (read_as.categories, "red"),
}


@pytest.mark.parametrize("name", CONVERTERS)
def test_every_column_is_read_as_a_stream(tmp_path: Path, name: str) -> None:
    converter, cell = CONVERTERS[name]
    (tmp_path / "log.csv").write_text(f"a,b\n{cell},x\n{cell},y\n")
    columns = {"value": Column(converter, "a"), "other": Column(read_as.texts, "b")}
    scratch = Watched()
    source = Source("impressions", (tmp_path / "log.csv",), columns, folder=tmp_path)
    checked, tally = stage(source, DirtyRows(), scratch)
    assert tally.read == 2
    assert checked.rows.collect()["other"].to_list() == ["x", "y"]
    assert [FALLBACK in drawn for drawn in scratch.plans] == [False]


def test_tables_leave_the_stage_as_a_stream(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n1,cup\n2,pot\n")
    log = ["user_id,item_id,timestamp,label,trigger_item_id", *["ann,1,1700000000,1,2"] * 5]
    (tmp_path / "log.csv").write_text("\n".join([*log, "bob,9,1700000000,0,", "bob,1,soon,0,"]))
    values: dict[str, Any] = {
        "name": "shop",
        "path": ".",
        "items": {"files": "items.csv"},
        "impressions": {"files": ["log.csv", "log.csv"]},
        "item_text": ["title"],
        "unknown_keys": "drop",
        "dirty_rows": {"policy": "drop", "max_share": 0.5},
        "max_in_memory_mb": 0,
    }
    tables = load_dataset(DatasetConfig(adapter="generic", settings=values), tmp_path)
    assert tables.height("impressions") == tables.height("behaviours") == 10
    for name in ("impressions", "behaviours"):
        assert FALLBACK not in plan(tables.lazy(name)), name
