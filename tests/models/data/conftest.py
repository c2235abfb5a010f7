"""The example store's rules in slow, plain Python, one impression at a time; and small tables."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pytest

from models.data.example_settings import ExamplesConfig
from models.data.schema import DatasetSpec
from models.data.tables import Tables

DAY = 86400


@dataclass
class Example:
    impression: int
    user: object
    item: object
    time: int
    label: int
    history: list[tuple[object, int]]
    trigger: object | None
    request: object
    split: int = -9


@pytest.fixture(scope="session")
def reference() -> Callable[[Tables, ExamplesConfig], list[Example]]:
    """The examples a store must hold, computed the slow way."""
    return reference_examples


@pytest.fixture(scope="session")
def make_tables() -> Callable[..., Tables]:
    """Canonical tables from tuples: impressions (user, item, time, label, request?, trigger?)."""
    return small_tables


def small_tables(
    impressions: list[tuple], behaviours: list[tuple] = (), num_items: int = 8
) -> Tables:
    rows = [(*row, None, None)[:6] for row in impressions]
    user, item, time, label, request, trigger = zip(*rows, strict=True) if rows else [[]] * 6
    events = list(zip(*behaviours, strict=True)) if behaviours else [[]] * 3
    items = list(range(100, 100 + num_items))
    return Tables(
        spec=DatasetSpec(
            name="small",
            item_text=("title",),
            item_fields=("colour",),
            item_numeric=("price",),
            user_fields=("segment",),
            context_fields=("device",),
        ),
        items=pl.DataFrame(
            {
                "item_id": items,
                "title": [f"item {item}" for item in items],
                "colour": ["red" if item % 2 else "blue" for item in items],
                "price": [None if item % 5 == 0 else float(item) for item in items],
            },
            schema_overrides={"price": pl.Float64},
        ),
        users=pl.DataFrame(
            {"user_id": sorted({*user, *events[0]}), "segment": "all"},
            schema={"user_id": pl.String, "segment": pl.String},
        ),
        impressions=pl.DataFrame(
            {
                "impression_id": range(len(rows)),
                "request_id": request,
                "user_id": user,
                "item_id": item,
                "timestamp": time,
                "label": label,
                "trigger_item_id": trigger,
                "device": [("phone", "laptop", None)[i % 3] for i in range(len(rows))],
            },
            schema={
                "impression_id": pl.Int64,
                "request_id": pl.Int64,
                "user_id": pl.String,
                "item_id": pl.Int64,
                "timestamp": pl.Int64,
                "label": pl.Int8,
                "trigger_item_id": pl.Int64,
                "device": pl.String,
            },
        ),
        behaviours=pl.DataFrame(
            {"user_id": events[0], "item_id": events[1], "timestamp": events[2], "kind": "click"},
            schema={
                "user_id": pl.String,
                "item_id": pl.Int64,
                "timestamp": pl.Int64,
                "kind": pl.String,
            },
        ),
    )


def reference_examples(tables: Tables, config: ExamplesConfig) -> list[Example]:
    events = defaultdict(list)
    for event in tables.behaviours.iter_rows(named=True):
        events[event["user_id"]].append((event["timestamp"], event["item_id"]))
    for user in events:
        events[user].sort(key=lambda event: event[0])  # stable: events of one second keep order
    examples = [
        example_of(row, events[row["user_id"]], config)
        for row in sorted(
            tables.impressions.iter_rows(named=True),
            key=lambda row: (row["timestamp"], row["impression_id"]),
        )
    ]
    if config.trigger != "none" and config.missing_trigger == "drop":
        examples = [example for example in examples if example.trigger is not None]
    if examples:
        split_examples(examples, config)
    return [example for example in examples if example.split >= 0]


def example_of(row: dict, events: list[tuple[int, object]], config: ExamplesConfig) -> Example:
    time = row["timestamp"]
    before = [event for event in events if event[0] < time]
    reach = None if config.history_days is None else time - int(config.history_days * DAY)
    history = [event for event in before if reach is None or event[0] >= reach]
    trigger, moment = None, time
    if config.trigger == "log":
        trigger = row["trigger_item_id"]
    elif config.trigger == "derived" and before and time - before[-1][0] <= config.trigger_window_s:
        moment, trigger = before[-1]
    if row["request_id"] is not None:
        request = ("logged", row["user_id"], row["request_id"])
    elif trigger is not None:
        request = ("trigger", row["user_id"], moment, trigger)
    else:
        request = ("alone", row["impression_id"])
    return Example(
        row["impression_id"],
        row["user_id"],
        row["item_id"],
        time,
        row["label"],
        [(item, at) for at, item in history[-config.history_length :]],
        trigger,
        request,
    )


def split_examples(examples: list[Example], config: ExamplesConfig) -> None:
    requests: dict[object, list[Example]] = {}
    for example in examples:
        requests.setdefault(example.request, []).append(example)
    split = {
        "days": split_days,
        "ratio": split_user_ratio if config.split.scope == "user" else split_global_ratio,
        "leave_one_out": split_leave_one_out,
    }[config.split.kind]
    split(list(requests.values()), config)


def put(request: list[Example], split: int) -> None:
    for example in request:
        example.split = split


def split_days(requests: list[list[Example]], config: ExamplesConfig) -> None:
    rule = config.split
    newest = max((request[0].time // DAY for request in requests), default=0)
    for request in requests:
        age = newest - request[0].time // DAY
        if age < rule.test_days:
            put(request, 2)
        elif age < rule.test_days + rule.valid_days:
            put(request, 1)
        elif rule.train_days is None or age < rule.test_days + rule.valid_days + rule.train_days:
            put(request, 0)
        else:
            put(request, -1)


def split_global_ratio(requests: list[list[Example]], config: ExamplesConfig) -> None:
    """An impression is past a share when at least that share lies before its request's second."""
    total = sum(map(len, requests))
    train, valid, test = config.split.ratio
    starts = sorted(request[0].time for request in requests for _ in request)
    cuts = []
    for share in (train, train + valid):
        index = 0
        while index * (train + valid + test) < share * total:
            index += 1
        cuts.append(starts[min(index, total - 1)])
    for request in requests:
        put(request, sum(request[0].time >= cut for cut in cuts))


def split_user_ratio(requests: list[list[Example]], config: ExamplesConfig) -> None:
    train, valid, test = config.split.ratio
    for user in {request[0].user for request in requests}:
        own = sorted((r for r in requests if r[0].user == user), key=lambda r: r[0].time)
        total, before = sum(map(len, own)), 0
        for request in own:
            scaled = before * (train + valid + test)
            put(request, int(scaled >= train * total) + int(scaled >= (train + valid) * total))
            before += len(request)


def split_leave_one_out(requests: list[list[Example]], config: ExamplesConfig) -> None:
    for user in {request[0].user for request in requests}:
        own = sorted((r for r in requests if r[0].user == user), key=lambda r: r[0].time)
        clicked = [i for i, request in enumerate(own) if any(e.label for e in request)]
        for i, request in enumerate(own):
            if len(clicked) < 3 or i < clicked[-2]:
                put(request, 0)
            else:
                put(request, 1 if i < clicked[-1] else 2)
