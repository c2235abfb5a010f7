"""The order of an epoch's rows: a function of seed, stage and epoch, so that a resume finds it."""

import numpy as np
from jaxtyping import Int


def epoch_order(
    rows: Int[np.ndarray, " R"], seed: int, stage: int, epoch: int
) -> Int[np.ndarray, " R"]:
    """Return the rows in the order of one epoch, the same whenever it is asked for."""
    generator = np.random.default_rng([seed, stage, epoch])
    return rows[generator.permutation(len(rows))]


def bucketed(
    order: Int[np.ndarray, " R"],
    lengths: Int[np.ndarray, " R"],
    size: int,
    batches: int,
    seeds: tuple[int, int, int],
) -> Int[np.ndarray, " R"]:
    """Return ``order`` rearranged so that the rows of a batch have histories of about one length.

    Rows move only within ``batches`` consecutive batches, whose batches are then shuffled: the
    short ones would else always come first. A last batch that is not full stays the last.

    Args:
        order: Rows in random order.
        lengths: History length of each row of ``order``.
        size: Rows of a batch.
        batches: Batches that are sorted together.
        seeds: Seed, stage and epoch.
    """
    if batches == 1:
        return order
    generator = np.random.default_rng([*seeds, batches])
    span = size * batches
    parts = []
    for start in range(0, len(order), span):
        end = min(start + span, len(order))
        ordered = order[start:end][np.argsort(lengths[start:end], kind="stable")]
        whole = len(ordered) // size * size
        left_over = generator.permutation(len(ordered)) < len(ordered) - whole
        full = ordered[~left_over].reshape(-1, size)
        parts += [full[generator.permutation(len(full))].ravel(), ordered[left_over]]
    return np.concatenate(parts) if parts else order
