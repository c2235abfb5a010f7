"""The simulated log, every part drawn from its own stream of the seed, in blocks of requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.data.datasets.simulator.clicks import click_probability, shown_prices
from models.data.datasets.simulator.people import People, build_people
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shelf import build_ranges, build_shelves
from models.data.datasets.simulator.shop import Shop, build_shop
from models.data.datasets.simulator.traffic import (
    Events,
    Requests,
    Shown,
    draw_past,
    draw_requests,
    show_targets,
)
from models.data.datasets.simulator.trends import fashion, launch_days

_TRIGGER_LEAD_S = (3, 30)  # the trigger is clicked this long before its page shows targets
_CLICK_DELAY_S = (2, 60)  # and a target this long after
_STREAMS = 9
NO_EVENTS = Events(*(np.zeros(0, dtype=int) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class World:
    """What happens in a simulated shop, for a block of requests; positions, not yet public ids.

    ``past`` are the clicks before the log, which only `simulate` fills in. ``probability`` is the
    true click probability of every impression, ``clicked`` a draw from it.
    """

    shop: Shop
    people: People
    past: Events
    requests: Requests
    shown: Shown
    price: np.ndarray
    probability: np.ndarray
    clicked: np.ndarray
    trigger_clicks: Events
    target_clicks: Events


class Simulation:
    """A shop and its people, and their log in blocks.

    Each part has a stream of its own, so that turning on a drift leaves items, users and the
    times of the requests as they were.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        seeds = np.random.SeedSequence(settings.seed).spawn(_STREAMS)
        self._streams = [np.random.default_rng(seed) for seed in seeds]
        self.settings = settings
        self.shop = build_shop(settings, self._streams[0])
        self.people = build_people(settings, self._streams[1])
        self._ranges = build_ranges(self.shop)
        launched = launch_days(self.shop, settings, self._streams[7])
        self._shelves = build_shelves(self.shop, self._ranges, settings, launched)
        self._fashion = fashion(self.shop, settings, self._streams[8])

    def past(self) -> Iterator[Events]:
        """Yield the clicks before the log, a block at a time; to be asked for once."""
        yield from draw_past(self.people, self._shelves, self.settings, self._streams[2])

    def log(self, block: int) -> Iterator[World]:
        """Yield the log, ``block`` requests at a time in order; to be asked for once."""
        requests = draw_requests(self.people, self._shelves, self.settings, self._streams[3])
        for start in range(0, self.settings.requests, block):
            yield self._world(requests.part(start, start + block))

    def _world(self, requests: Requests) -> World:
        shop, people, settings, streams = self.shop, self.people, self.settings, self._streams
        shown = show_targets(requests, self._shelves, self._ranges, settings, streams[4])
        price = shown_prices(shop, requests, shown, settings)
        probability = click_probability(
            shop, people, requests, shown, settings=settings, generator=streams[5],
            fashion=self._fashion,
        )  # fmt: skip
        clicked = streams[6].random(len(probability)) < probability
        lead = streams[6].integers(*_TRIGGER_LEAD_S, len(requests.user))
        hit = np.flatnonzero(clicked)
        at = shown.request[hit]
        delay = streams[6].integers(*_CLICK_DELAY_S, len(hit))
        return World(
            shop=shop,
            people=people,
            past=NO_EVENTS,
            requests=requests,
            shown=shown,
            price=price,
            probability=probability,
            clicked=clicked,
            trigger_clicks=Events(requests.user, requests.trigger, requests.time - lead),
            target_clicks=Events(requests.user[at], shown.item[hit], requests.time[at] + delay),
        )


def simulate(settings: SimulatorSettings) -> World:
    """Return the log of the shop as one block, with its past; same settings, same log."""
    simulation = Simulation(settings)
    past = joined(simulation.past())
    return replace(next(simulation.log(settings.requests)), past=past)


def joined(parts: Iterable[Events]) -> Events:
    """Return all events of the parts."""
    columns = [(part.user, part.item, part.time) for part in (NO_EVENTS, *parts)]
    return Events(*(np.concatenate(column) for column in zip(*columns, strict=True)))
