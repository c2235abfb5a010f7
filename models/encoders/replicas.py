"""One model on several devices: each takes its share of the batches, in a thread of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def over_replicas(
    models: Sequence[Any], work: Callable[[Any, Batch], Result], batches: Sequence[Batch]
) -> Iterator[Result]:
    """Return ``work(model, batch)`` of every batch, in their order.

    Batch i is given to model i modulo their number: what a batch is, and which device computes it,
    depends on nothing but the batches. Devices compute while Python prepares the next batches.

    Args:
        models: The same model, once a device.
        work: What is done with a batch; called in one thread per model.
        batches: Of about equal cost, so that no device waits long for another.
    """
    with ExitStack() as stack:
        pools = [ThreadPoolExecutor(1, thread_name_prefix="encode") for _ in models]
        for pool in pools:
            stack.callback(pool.shutdown, cancel_futures=True)
        waiting = [
            pools[row % len(models)].submit(work, models[row % len(models)], batch)
            for row, batch in enumerate(batches)
        ]
        for result in waiting:
            yield result.result()
