"""The store on a device gives the very batches of the store itself."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.data.device_store import DeviceStore, device_bytes
from models.data.examples import ExamplesConfig, ExampleStore, build_example_store
from tests.models.training.synthetic import make_tables

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ExampleStore:
    folder = tmp_path_factory.mktemp("store")
    config = ExamplesConfig(history_days=0.2, history_length=9)
    build_example_store(make_tables(users=20), config, folder, seed=0)
    return ExampleStore.open(folder)


@pytest.mark.parametrize("device", DEVICES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 70))
def test_it_gathers_what_the_store_gathers(
    device: str, seed: int, size: int, store: ExampleStore
) -> None:
    rows = np.random.default_rng(seed).integers(0, store.num_examples, size)
    ours = DeviceStore(store, torch.device(device)).gather(rows)
    theirs = store.gather(rows)
    for name in [field.name for field in fields(theirs)]:
        expected, found = getattr(theirs, name), getattr(ours, name)
        if expected is None:
            assert found is None
        else:
            assert found.dtype == expected.dtype, name
            assert torch.equal(found.cpu(), expected), name
    assert torch.equal(ours.jagged.items.cpu(), theirs.jagged.items)
    assert torch.equal(ours.jagged.offsets.cpu(), theirs.jagged.offsets)
    assert torch.equal(ours.jagged.ages().cpu(), theirs.jagged.ages())


def test_histories_of_no_event_are_one_position_of_padding(store: ExampleStore) -> None:
    empty = np.flatnonzero(store.history_length(np.arange(store.num_examples)) == 0)[:3]
    batch = DeviceStore(store, torch.device("cpu")).gather(empty)
    assert batch.history.tolist() == [[0], [0], [0]]
    assert not batch.history_mask.any()


def test_its_size_is_told_beforehand(store: ExampleStore) -> None:
    twin = DeviceStore(store, torch.device("cpu"))
    held = sum(v.nbytes for v in vars(twin).values() if isinstance(v, torch.Tensor))
    assert device_bytes(store) == pytest.approx(held, rel=0.01)


def test_the_requests_are_those_of_the_store(store: ExampleStore, tmp_path: Path) -> None:
    assert np.array_equal(DeviceStore(store, torch.device("cpu")).request, store.request)
