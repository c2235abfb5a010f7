"""However a log is read, in whatever pieces, its store has the same bytes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import impressions as reading
from models.data.array_files import ArrayWriter, blocks
from models.data.assembly import check_size
from models.data.codes import CodeTable, codes_of
from models.data.example_settings import ExamplesConfig
from models.data.examples import build_example_store
from models.data.negatives import NegativesConfig
from models.data.splits import SplitConfig
from models.data.tables import scan_tables, write_tables
from models.errors import CorruptArtifactError, SchemaError, SplitError

START, HOUR = 1_600_000_000, 3600
USER = st.sampled_from(["ann", "bob", "cleo", "dora", "emil"])
ITEM = st.integers(100, 107)
TIME = st.integers(0, 60).map(lambda step: START + step * 3 * HOUR)
IMPRESSIONS = st.lists(
    st.tuples(USER, ITEM, TIME, st.integers(0, 1), st.none() | st.integers(1, 9), st.none() | ITEM),
    min_size=30,
    max_size=60,
)
BEHAVIOURS = st.lists(st.tuples(USER, ITEM, TIME), max_size=60)
CONFIGS = st.builds(
    ExamplesConfig,
    history_days=st.sampled_from([None, 2]),
    history_length=st.sampled_from([1, 50]),
    trigger=st.sampled_from(["log", "derived", "none"]),
    missing_trigger=st.sampled_from(["drop", "mask"]),
    split=st.sampled_from([SplitConfig(), SplitConfig(kind="ratio", scope="user")]),
)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=25, deadline=None)
@given(impressions=IMPRESSIONS, behaviours=BEHAVIOURS, config=CONFIGS, rows=st.integers(1, 40))
def test_partitions_batches_and_scans_give_the_same_bytes(
    impressions, behaviours, config, rows, make_tables, tmp_path_factory
) -> None:
    tables = make_tables(impressions, behaviours)
    folder = tmp_path_factory.mktemp("stores")
    write_tables(tables, folder / "tables")
    built = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("whole", "partitions", "scan"):
            source = scan_tables(folder / "tables") if name == "scan" else tables
            patch.setattr(reading, "BATCH_ROWS", 1 << 20 if name == "whole" else 7)
            size = 4_000_000 if name == "whole" else rows
            try:
                build_example_store(source, config, folder / name, seed=1, partition_rows=size)
            except (SplitError, SchemaError) as error:
                built.append(str(error))
            else:
                built.append(files(folder / name))
    assert built[0] == built[1] == built[2]


@settings(max_examples=10, deadline=None)
@given(
    positives=st.lists(st.tuples(USER, ITEM, TIME), min_size=20, max_size=60),
    kind=st.sampled_from(["uniform", "popularity", "same_category"]),
)
def test_drawn_negatives_do_not_depend_on_the_partitions(
    positives, kind, make_tables, tmp_path_factory
) -> None:
    tables = make_tables([(*row, 1) for row in positives], positives, num_items=12)
    negatives = NegativesConfig(
        kind=kind, per_positive=2, category="colour" if kind == "same_category" else None
    )
    config = ExamplesConfig(trigger="none", negatives=negatives)
    folder = tmp_path_factory.mktemp("stores")
    for name, rows in (("one", 1000), ("many", 5)):
        try:
            build_example_store(tables, config, folder / name, seed=1, partition_rows=rows)
        except SplitError:
            return
    assert files(folder / "one") == files(folder / "many")


def test_the_summary_says_how_negatives_were_chosen(make_tables, tmp_path: Path) -> None:
    log = [("ann", 100 + i % 5, START + i * HOUR, i % 2) for i in range(60)]
    log += [("bob", *row[1:]) for row in log]
    tables = make_tables(log)
    spec = tables.spec.model_copy(update={"facts": {"negative_rate": 0.1}})
    config = ExamplesConfig(trigger="none")
    sampled = build_example_store(replace(tables, spec=spec), config, tmp_path / "a", seed=0)
    assert sampled["negative_rate"] == 0.1
    positives = replace(tables, impressions=tables.impressions.filter(pl.col("label") == 1))
    config = config.model_copy(update={"negatives": NegativesConfig(per_positive=2)})
    drawn = build_example_store(positives, config, tmp_path / "b", seed=0)
    assert drawn["negatives_per_positive"] == 2
    assert "negative_rate" not in build_example_store(
        tables, ExamplesConfig(trigger="none"), tmp_path / "c", seed=0
    )


def test_nothing_temporary_is_left(make_tables, tmp_path: Path) -> None:
    log = [("ann", 100 + i % 8, START + i * HOUR, i % 2) for i in range(60)]
    log += [("bob", *row[1:]) for row in log]
    events = [(user, item, time - 5) for user, item, time, _ in log]
    build_example_store(
        make_tables(log, events), ExamplesConfig(trigger="none"), tmp_path, seed=0, partition_rows=9
    )
    assert all(path.is_file() for path in tmp_path.iterdir())
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json", ".parquet"}


@settings(max_examples=40, deadline=None)
@given(
    known=st.lists(st.integers(-50, 50) | st.integers(-(2**63), 2**63 - 1), unique=True),
    column=st.lists(st.none() | st.integers(-60, 60) | st.integers(-(2**63), 2**63 - 1)),
)
def test_codes_looked_up_directly_are_those_of_a_join(known: list, column: list) -> None:
    ids = pl.Series("id", known, dtype=pl.Int64)
    asked = pl.Series("id", column, dtype=pl.Int64)
    assert CodeTable(ids).codes(asked).tolist() == codes_of(asked, ids).tolist()


def test_texts_and_columns_of_nothing_have_codes_too() -> None:
    table = CodeTable(pl.Series(["b", "a"]))
    assert table.codes(pl.Series(["a", None, "c"])).tolist() == [3, 0, 1]
    assert table.codes(pl.Series([None, None], dtype=pl.Null)).tolist() == [0, 0]


def test_request_ids_of_text_are_equal_where_their_keys_are() -> None:
    ids = pl.Series(["p1", None, "p2", "p1"])
    keys = reading.request_keys(ids).tolist()
    assert keys[0] == keys[3] != keys[2]
    assert keys[1] == reading.NO_REQUEST
    assert reading.request_keys(pl.Series(["p2"])).tolist() == [keys[2]]


def test_an_array_written_in_pieces_is_the_array(tmp_path: Path) -> None:
    values = np.arange(1000, dtype=np.int32)
    with ArrayWriter(tmp_path / "a.npy", "<i4", 1000) as file:
        for start in range(0, 1000, 300):
            file.append(values[start : start + 300])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), values)
    read = list(blocks(tmp_path / "a.npy", 900, start=50, size=400))
    assert [first for first, _ in read] == [50, 450, 850]
    np.testing.assert_array_equal(np.concatenate([part for _, part in read]), values[50:900])


def test_an_array_that_was_not_finished_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(CorruptArtifactError, match=r"a\.npy lacks 7 of its elements"),
        ArrayWriter(tmp_path / "a.npy", "<i4", 10) as file,
    ):
        file.append(np.zeros(3, np.int32))


def test_more_events_than_31_bits_count_are_refused() -> None:
    check_size(2**31 - 51, 50)
    with pytest.raises(SchemaError, match="has 2147483600 behaviours"):
        check_size(2**31 - 48, 50)
