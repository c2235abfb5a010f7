"""The whole simulated log in memory, every part drawn from its own stream of the seed."""

from dataclasses import dataclass

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

_TRIGGER_LEAD_S = (3, 30)  # the trigger is clicked this long before its page shows targets
_CLICK_DELAY_S = (2, 60)  # and a target this long after
_STREAMS = 7


@dataclass(frozen=True, slots=True)
class World:
    """Everything that happens in a simulated shop; positions and indices, not yet public ids.

    ``probability`` is the true click probability of every impression, ``clicked`` a draw from it.
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


def simulate(settings: SimulatorSettings) -> World:
    """Return the log of the shop; the same settings give the same log.

    Each part has a stream of its own, so that turning on a drift leaves items, users and the
    times of the requests as they were.
    """
    seeds = np.random.SeedSequence(settings.seed).spawn(_STREAMS)
    streams = [np.random.default_rng(seed) for seed in seeds]
    shop, people = build_shop(settings, streams[0]), build_people(settings, streams[1])
    ranges = build_ranges(shop)
    shelves = build_shelves(shop, ranges, settings)
    past = draw_past(people, shelves, settings, streams[2])
    requests = draw_requests(people, shelves, settings, streams[3])
    shown = show_targets(requests, shelves, ranges, settings, streams[4])
    price = shown_prices(shop, requests, shown, settings)
    probability = click_probability(
        shop, people, requests, shown, settings=settings, generator=streams[5]
    )
    clicked = streams[6].random(len(probability)) < probability
    lead = streams[6].integers(*_TRIGGER_LEAD_S, len(requests.user))
    hit = np.flatnonzero(clicked)
    at = shown.request[hit]
    delay = streams[6].integers(*_CLICK_DELAY_S, len(hit))
    return World(
        shop=shop,
        people=people,
        past=past,
        requests=requests,
        shown=shown,
        price=price,
        probability=probability,
        clicked=clicked,
        trigger_clicks=Events(requests.user, requests.trigger, requests.time - lead),
        target_clicks=Events(requests.user[at], shown.item[hit], requests.time[at] + delay),
    )
