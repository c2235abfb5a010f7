"""Windows of a made-up shop, for the tests of drift."""

import numpy as np
import polars as pl

from models.assessment.drift_window import Window
from models.encoders.embeddings import ItemEmbeddings

ITEMS = 300
SPECIFIC = (0.1, 0.15, 0.2, 0.25, 0.3)


def embeddings(seed: int = 0, dim: int = 32) -> ItemEmbeddings:
    values = np.random.default_rng(seed).normal(0.3, 1, (ITEMS, dim)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return ItemEmbeddings(pl.Series(np.arange(ITEMS)), values)


def window(
    rows: int,
    seed: int,
    *,
    price: float = 1.0,
    click_rate: float = 0.2,
    intent: tuple[float, ...] = SPECIFIC,
    users: int | None = None,
    reversed_popularity: bool = False,
    good: bool = True,
    items: ItemEmbeddings | None = None,
) -> Window:
    """A window of a shop; with ``users``, each has a device, prices and favourites of their own."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows) if users else np.arange(rows)
    own = np.random.default_rng(seed + 1)
    taste = own.normal(0, 1, user.max() + 1)[user] if users else 0.0
    device = own.integers(0, 3, user.max() + 1)[user] if users else rng.integers(0, 3, rows)
    item = rng.zipf(1.4, rows) % ITEMS
    chance = rng.beta(2, 8, rows) * click_rate / 0.2
    frame = pl.DataFrame(
        {
            "user_id": user + (10_000 * seed if users else 0),
            "item_id": ITEMS - 1 - item if reversed_popularity else item,
            "price": price * np.exp(3 + 0.5 * rng.normal(size=rows) + taste),
            "device": np.array(["app", "web", "tv"])[device],
            "brand": [f"brand {n}" for n in rng.zipf(1.3, rows).clip(1, 10_000)],
            "hour": rng.integers(0, 24, rows),
            "has_trigger": rng.random(rows) < 0.9,
            "label": (rng.random(rows) < chance).astype(np.int8),
            "intent_level": rng.choice(len(intent), rows, p=intent).astype(np.int8),
            "sid_0": rng.integers(0, 64, rows),
            "score": (chance if good else rng.permutation(chance)).clip(0, 1),
        }
    )
    names = pl.DataFrame(
        {"item_id": np.arange(ITEMS), "name": [f"Thing {i}" for i in range(ITEMS)]}
    )
    return Window(frame, items, names)
