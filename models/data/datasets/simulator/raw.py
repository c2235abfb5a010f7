"""The simulated log as files: what a user would bring, and beside them what only we know."""

from pathlib import Path

import numpy as np
import polars as pl
import yaml

from models.data.datasets.simulator.images import draw_images
from models.data.datasets.simulator.mapping import IMAGE_FOLDER, mapping
from models.data.datasets.simulator.people import FIRST_USER_ID, user_table
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shop import item_table
from models.data.datasets.simulator.traffic import DEVICES, Events
from models.data.datasets.simulator.truth import truth_table
from models.data.datasets.simulator.world import World, simulate

PRICE_BANDS: tuple[str, ...] = ("under 15", "15-40", "40-100", "100-250", "over 250")
_PRICE_EDGES = (15, 40, 100, 250)
MAPPING_FILE = "mapping.yaml"
TRUTH_FILE = "truth.parquet"


def write_raw(settings: SimulatorSettings, folder: Path) -> None:
    """Write the raw files of a simulated shop into ``folder``; the same settings, the same bytes.

    They are ``items.csv``, ``users.csv``, ``impressions.parquet``, ``behaviours.parquet`` and
    ``images/``, none of which knows of intents; ``mapping.yaml``, which are the settings of the
    ``generic`` adapter for these files as seen from ``folder``; and ``truth.parquet``
    (`truth_table`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    world = simulate(settings)
    item_table(world.shop, settings).write_csv(folder / "items.csv")
    user_table(world.people).write_csv(folder / "users.csv")
    impression_table(world).write_parquet(folder / "impressions.parquet")
    behaviour_table(world).write_parquet(folder / "behaviours.parquet")
    truth_table(world.people, settings).write_parquet(folder / TRUTH_FILE)
    files = mapping(".", images=settings.images).model_dump(mode="json", exclude_defaults=True)
    (folder / MAPPING_FILE).write_text(yaml.safe_dump(files, sort_keys=False), encoding="utf-8")
    if settings.images:
        draw_images(world.shop, settings, folder / IMAGE_FOLDER)


def impression_table(world: World) -> pl.DataFrame:
    """Return one row a shown target, in order of time."""
    requests, request = world.requests, world.shown.request
    band = np.searchsorted(_PRICE_EDGES, world.price, "right")
    return pl.DataFrame(
        {
            "impression_id": np.arange(len(request)) + 1,
            "request_id": request + 1,
            "user_id": requests.user[request] + FIRST_USER_ID,
            "item_id": world.shop.item_id[world.shown.item],
            "timestamp": requests.time[request],
            "clicked": world.clicked.astype(np.int8),
            "trigger_item_id": world.shop.item_id[requests.trigger[request]],
            "device": _named(DEVICES, requests.device[request]),
            "price_band": _named(PRICE_BANDS, band),
            "shown_price": world.price,
        }
    )


def behaviour_table(world: World) -> pl.DataFrame:
    """Return one row a positive event: browsing before the log, triggers, clicks on targets."""
    kinds = (("browse", world.past), ("trigger", world.trigger_clicks))
    kinds = (*kinds, ("click", world.target_clicks))
    events = pl.concat([_event_table(world, kind, events) for kind, events in kinds])
    keys = ["timestamp", "user_id", "item_id"]
    return events.unique(keys, keep="first", maintain_order=True).sort(keys)


def _event_table(world: World, kind: str, events: Events) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": events.user + FIRST_USER_ID,
            "item_id": world.shop.item_id[events.item],
            "timestamp": events.time,
            "kind": pl.repeat(kind, len(events.user), dtype=pl.String, eager=True),
        }
    )


def _named(names: tuple[str, ...], index: np.ndarray) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(index)
