"""The simulated log as files: what a user would bring, and beside them what only we know."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from models.data.datasets.simulator.images import draw_images
from models.data.datasets.simulator.mapping import IMAGE_FOLDER, mapping
from models.data.datasets.simulator.people import FIRST_USER_ID, user_table
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shop import Shop, item_table
from models.data.datasets.simulator.traffic import BLOCK, DEVICES, Events
from models.data.datasets.simulator.truth import truth_table
from models.data.datasets.simulator.world import Simulation, World, joined

PRICE_BANDS: tuple[str, ...] = ("under 15", "15-40", "40-100", "100-250", "over 250")
_PRICE_EDGES = (15, 40, 100, 250)
MAPPING_FILE = "mapping.yaml"
TRUTH_FILE = "truth.parquet"
_EVENT_KEYS = ["timestamp", "user_id", "item_id"]


def write_raw(settings: SimulatorSettings, folder: Path) -> None:
    """Write the raw files of a simulated shop into ``folder``; the same settings, the same bytes.

    They are ``items.csv``, ``users.csv``, ``impressions.parquet``, ``behaviours.parquet`` and
    ``images/``, none of which knows of intents; ``mapping.yaml``, which are the settings of the
    ``generic`` adapter for these files as seen from ``folder``; and ``truth.parquet``
    (`truth_table`). A log of more than one block is written in folders ``impressions`` and
    ``behaviours`` instead, a file a block, and is never in memory as a whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    simulation = Simulation(settings)
    item_table(simulation.shop, settings).write_csv(folder / "items.csv")
    user_table(simulation.people).write_csv(folder / "users.csv")
    if in_blocks(settings):
        _write_blocks(simulation, folder)
    else:
        (world,) = simulation.log(settings.requests)
        impression_table(world).write_parquet(folder / "impressions.parquet")
        past = joined(simulation.past())
        behaviour_table(replace(world, past=past)).write_parquet(folder / "behaviours.parquet")
    truth_table(simulation.people, settings).write_parquet(folder / TRUTH_FILE)
    fields, images = settings.listed, settings.images
    files = mapping(".", fields=fields, images=images, blocks=in_blocks(settings))
    text = yaml.safe_dump(files.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
    (folder / MAPPING_FILE).write_text(text, encoding="utf-8")
    if settings.images:
        draw_images(simulation.shop, settings, folder / IMAGE_FOLDER)


def in_blocks(settings: SimulatorSettings) -> bool:
    """Return whether the log is too large for one block."""
    return settings.requests > BLOCK or settings.users * settings.past_clicks > 3 * BLOCK


def _write_blocks(simulation: Simulation, folder: Path) -> None:
    for name in ("impressions", "behaviours"):
        (folder / name).mkdir()
    for number, past in enumerate(simulation.past()):
        events = _event_table(simulation.shop, "browse", past).sort(_EVENT_KEYS)
        events.write_parquet(folder / "behaviours" / f"past-{number:05}.parquet")
    requests = impressions = 0
    for number, world in enumerate(simulation.log(BLOCK)):
        shown = impression_table(world, requests_before=requests, shown_before=impressions)
        shown.write_parquet(folder / "impressions" / f"{number:05}.parquet")
        clicks = behaviour_table(world)
        clicks.write_parquet(folder / "behaviours" / f"{number:05}.parquet")
        requests += len(world.requests.user)
        impressions += shown.height


def impression_table(
    world: World, *, requests_before: int = 0, shown_before: int = 0
) -> pl.DataFrame:
    """Return one row a shown target, in order of time; ids go on after those of earlier blocks."""
    requests, request = world.requests, world.shown.request
    band = np.searchsorted(_PRICE_EDGES, world.price, "right")
    return pl.DataFrame(
        {
            "impression_id": np.arange(len(request)) + 1 + shown_before,
            "request_id": request + 1 + requests_before,
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
    events = pl.concat([_event_table(world.shop, kind, events) for kind, events in kinds])
    return events.unique(_EVENT_KEYS, keep="first", maintain_order=True).sort(_EVENT_KEYS)


def _event_table(shop: Shop, kind: str, events: Events) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": events.user + FIRST_USER_ID,
            "item_id": shop.item_id[events.item],
            "timestamp": events.time,
            "kind": pl.repeat(kind, len(events.user), dtype=pl.String, eager=True),
        }
    )


def _named(names: tuple[str, ...], index: np.ndarray) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(index)
