"""How many items change their codes from one tokenizer to the next, code names aside.

Two tokenizers fitted alike number their codes differently. Codes of a level are therefore matched
first, one to one, such that as many of the common items as possible keep theirs; what still
differs then has moved to other company.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from models.tokenizers.semantic_ids import SemanticIds

EXACT_CODES = 4096


@dataclass(frozen=True)
class Churn:
    """What changed for the items that both tables have.

    Attributes:
        items: Number of these items.
        ids: Share whose IDs differ as they stand, the collision code included.
        prefixes: After matching the codes: share whose first code differs, whose first two, and so
            on up to all K. Empty where the numbers of levels differ.
    """

    items: int
    ids: float
    prefixes: tuple[float, ...]

    @property
    def first_code(self) -> float:
        """Share of the items that changed their theme; 1 where that cannot be told."""
        return self.prefixes[0] if self.prefixes else 1.0

    @property
    def codes(self) -> float:
        """Share of the items that changed any code; 1 where that cannot be told."""
        return self.prefixes[-1] if self.prefixes else 1.0


def churn(now: SemanticIds, before: SemanticIds) -> Churn | None:
    """Return what changed since ``before``; ``None`` where no item is in both."""
    if now.table["item_id"].dtype != before.table["item_id"].dtype:
        return None
    old = before.aligned(now.table["item_id"])
    both = old[:, -1] >= 0
    if not both.any():
        return None
    old, new = old[both], now.codes[both]
    if now.levels != before.levels:
        return Churn(len(old), 1.0, ())
    size = max(now.num_codes, before.num_codes)
    matched = [matched_codes(old[:, k], new[:, k], size)[old[:, k]] for k in range(now.levels)]
    moved = np.stack(matched, axis=1) != new[:, :-1]
    prefixes = np.logical_or.accumulate(moved, axis=1).mean(axis=0)
    return Churn(len(old), float((old != new).any(axis=1).mean()), tuple(prefixes.tolist()))


def matched_codes(
    old: Int[np.ndarray, " N"], new: Int[np.ndarray, " N"], size: int
) -> Int[np.ndarray, " V"]:
    """Return the new name of every old code: the one-to-one matching that most items agree with.

    The best one up to `EXACT_CODES` codes; above, codes are matched greedily, the pair with the
    most items first, and an unmatched code is -1.

    Args:
        old: A code of every item.
        new: Its code now.
        size: Number of codes.
    """
    pairs, counts = np.unique(np.stack([old, new]), axis=1, return_counts=True)
    if size <= EXACT_CODES:
        from scipy.optimize import linear_sum_assignment  # half a second that a plan does not need

        agreement = np.zeros((size, size), np.int64)
        agreement[pairs[0], pairs[1]] = counts
        return linear_sum_assignment(agreement, maximize=True)[1]
    names = np.full(size, -1)
    taken = np.zeros(size, bool)
    for place in np.argsort(-counts, kind="stable"):
        left, right = pairs[:, place]
        if names[left] < 0 and not taken[right]:
            names[left], taken[right] = right, True
    return names
