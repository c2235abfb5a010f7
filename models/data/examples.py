"""Builds the example store from canonical tables of any size."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from jaxtyping import Int32, Int64

from models.artifacts import Scalar
from models.data.array_files import ArrayWriter
from models.data.assembly import assemble, check_size
from models.data.codes import CodeTable
from models.data.draft import Carried, Draft, Rows
from models.data.example_settings import ExamplesConfig
from models.data.fields import Fields, GrowingValues, read_fields
from models.data.fitting import Sides
from models.data.impressions import Impressions, read_impressions
from models.data.log import Spill, Users, check_ids, find_users, partition, parts_of
from models.data.negatives import recorded_sampling
from models.data.row_blocks import RowGroups, row_blocks, stable_order
from models.data.store import ExampleStore, array_file
from models.data.tables import Tables, TableScan, check_schema
from models.data.timelines import build_timelines
from models.data.windows import Windows, find_windows

__all__ = ["ExampleStore", "ExamplesConfig", "build_example_store"]

PARTITION_ROWS = 2_000_000


def build_example_store(
    tables: Tables | TableScan,
    config: ExamplesConfig,
    folder: Path,
    *,
    seed: int,
    partition_rows: int = PARTITION_ROWS,
) -> dict[str, Scalar]:
    """Write the example store of ``tables`` into ``folder`` and return its counts.

    Memory is bounded by a partition's events and about 100 bytes an impression; the events of all
    users are never there at once. The files do not depend on ``partition_rows``.

    Args:
        tables: The canonical tables.
        config: How impressions become examples.
        folder: Where the files go; the caller makes it appear as a whole.
        seed: Of the drawn negatives, the only randomness there is.
        partition_rows: About how many behaviours and impressions are worked on at a time.

    Raises:
        SchemaError: the tables do not fit, or no impression has a trigger.
        SplitError: a split would be empty or of one class.
        ConfigError: the settings of the negatives do not fit the log.
    """
    check_schema(tables)
    scan = tables.scan() if isinstance(tables, Tables) else tables
    check_ids(scan)
    users = find_users(scan, scan.users["user_id"])
    check_size(int(users.events.sum()), config.history_length)
    user_table, item_table = CodeTable(users.ids), CodeTable(scan.items["item_id"])
    growing = [GrowingValues() for _ in scan.spec.context_fields]
    size = int(users.shown.sum())
    shown, context = read_impressions(scan, user_table, item_table, growing, size=size)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="spill-", dir=folder) as temporary:
        bounds = partition(users, partition_rows)
        spill = Spill(Path(temporary), bounds)
        spill.fill(scan, user_table, item_table, users.origin_s)
        windows = _write_timelines(spill, bounds, users, shown, config, folder)
    rows = Rows.of(shown, windows)
    del shown, windows
    counts: dict[str, Scalar] = dict(recorded_sampling(config.negatives, scan.spec.facts))
    draft = _draft(scan, users, rows, context, config)
    return assemble(draft, config, folder, counts, seed=seed)


def _write_timelines(
    spill: Spill,
    bounds: Int64[np.ndarray, " P1"],
    users: Users,
    shown: Impressions,
    config: ExamplesConfig,
    folder: Path,
) -> Windows:
    """Write the events of all users, a partition at a time, and return what each row sees."""
    span_s = users.latest_s - users.origin_s
    offsets, size = users.offsets(), shown.size
    length = int(offsets[-1]) + config.history_length
    found = Windows(*(np.zeros(size, dtype=np.int32) for _ in range(4)))
    with (
        ArrayWriter(array_file(folder, "event_item"), "<i4", length) as items,
        ArrayWriter(array_file(folder, "event_time"), "<i4", length) as times,
    ):
        for part, rows in enumerate(_rows_of(shown.user, bounds)):
            events = spill.take(part)
            first = int(bounds[part])
            timelines = build_timelines(
                events[:, 0] - np.int32(first),
                events[:, 1],
                events[:, 2],
                num_users=int(bounds[part + 1]) - first,
                origin_s=users.origin_s,
                span_s=span_s,
            )
            items.append(timelines.items)
            times.append(timelines.times)
            part_shown = shown.take(rows)
            part_shown = replace(part_shown, user=part_shown.user - np.int32(first))
            _put(find_windows(config, timelines, part_shown), found, rows, int(offsets[first]))
        padding = np.zeros(config.history_length, dtype=np.int32)  # a window may reach past the end
        items.append(padding)
        times.append(padding)
    return found


def _rows_of(
    user: Int32[np.ndarray, " N"], bounds: Int64[np.ndarray, " P1"]
) -> Iterator[Int32[np.ndarray, " R"]]:
    """Yield the impressions of each partition's users: by user, each user's in order of time."""
    part_of, groups = parts_of(bounds), RowGroups(len(bounds) - 1)
    for block in row_blocks(len(user)):
        groups.add(part_of[user[block]], np.arange(block.start, block.stop))
    for part, first in enumerate(bounds[:-1]):
        rows = groups.take(part)
        yield rows[stable_order(user[rows] - np.int32(first))]


def _put(part: Windows, into: Windows, rows: Int32[np.ndarray, " R"], first_event: int) -> None:
    into.trigger_item[rows] = part.trigger_item
    into.history_start[rows] = part.history_start + first_event
    into.history_end[rows] = part.history_end + first_event
    into.first[rows] = rows[part.first]


def _draft(
    scan: TableScan, users: Users, rows: Rows, context: Fields, config: ExamplesConfig
) -> Draft:
    spec, num_items = scan.spec, scan.items.height
    per_positive = config.negatives.per_positive if config.negatives else 0
    offsets = users.offsets()
    sides = Sides(
        users=read_fields(_one_row_each(scan.users, users.ids), spec.user_fields),
        items=read_fields(scan.items, spec.item_fields),
        context=context,
        numbers=scan.items.select(spec.item_numeric),
    )
    return Draft(
        rows=rows,
        drawn=np.zeros((rows.size, per_positive), dtype=np.int32),
        user_ids=users.ids,
        item_ids=scan.items["item_id"],
        sides=sides,
        timelines=(offsets[:-1], offsets[1:]),
        origin_s=users.origin_s,
        span_s=(users.origin_s, users.latest_s),
        carried=Carried(0, np.zeros(num_items, dtype=bool), np.zeros(rows.size, dtype=bool)),
    )


def _one_row_each(table: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Return the users' rows by position; users without one have nulls."""
    return ids.to_frame("user_id").join(table, on="user_id", how="left", maintain_order="left")
