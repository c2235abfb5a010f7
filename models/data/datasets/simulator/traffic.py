"""What happens in the simulated shop: past clicks, requests with triggers, targets shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.data.datasets.simulator.people import NUM_TIERS, People
from models.data.datasets.simulator.seasons import DAY_S, START_S, request_times
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shelf import Ranges, Shelf, choose, tier_between

DEVICES = ("phone", "desktop", "tablet")
_DEVICE_SHARES = (0.62, 0.3, 0.08)
_FOLLOW_UPS = 2  # past clicks come as one start and two more at tiers drawn from the intent
_PAUSE_S = (20, 300)  # between the clicks of such a chain
BLOCK = 250_000
"""So many requests, or chains of past clicks, are drawn at once, and each block after the other."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Arrays over requests in order of time: user, time (s, UTC), day, trigger position, device."""

    user: np.ndarray
    time: np.ndarray
    day: np.ndarray
    trigger: np.ndarray
    device: np.ndarray

    def part(self, start: int, end: int) -> "Requests":
        """Return the requests from ``start`` to ``end``."""
        return Requests(*(getattr(self, name)[start:end] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Shown:
    """Arrays over impressions: index of the request, item position, similarity tier."""

    request: np.ndarray
    item: np.ndarray
    tier: np.ndarray


@dataclass(frozen=True, slots=True)
class Events:
    """Arrays over positive events: user, item position, time (s, UTC)."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray


Shelves = list[tuple[int, Shelf]]


def draw_requests(
    people: People, shelves: Shelves, settings: SimulatorSettings, generator: np.random.Generator
) -> Requests:
    """Return the requests: at a time, a user who has just clicked a trigger item."""
    user = _active_users(people, settings.requests, generator)
    time = request_times(settings, generator)
    day = (time - START_S) // DAY_S
    trigger = np.zeros(settings.requests, dtype=int)
    for shelf, rows in _stretches(shelves, day):
        for some in _pieces(rows):
            wanted = shelf.wanted(people, user[some], settings, generator)
            trigger[some] = shelf.liked(people, user[some], wanted, generator)
    device = generator.choice(len(DEVICES), settings.requests, p=_DEVICE_SHARES)
    return Requests(user=user, time=time, day=day, trigger=trigger, device=device)


def show_targets(
    requests: Requests,
    shelves: Shelves,
    ranges: Ranges,
    settings: SimulatorSettings,
    generator: np.random.Generator,
) -> Shown:
    """Return the targets of every request, drawn from all tiers alike; an item at most once."""
    request = np.repeat(np.arange(len(requests.user)), settings.targets_per_request)
    anchor, day = requests.trigger[request], requests.day[request]
    wanted = generator.integers(0, NUM_TIERS, len(request))
    item = np.zeros(len(request), dtype=int)
    for shelf, rows in _stretches(shelves, day):
        item[rows] = shelf.near(anchor[rows], wanted[rows], generator)
    size = ranges.start.shape[1]
    _, first = np.unique(request * size + item, return_index=True)
    kept = np.sort(first)
    tier = tier_between(ranges, anchor[kept], item[kept])
    return Shown(request=request[kept], item=item[kept], tier=tier)


def draw_past(
    people: People, shelves: Shelves, settings: SimulatorSettings, generator: np.random.Generator
) -> Iterator[Events]:
    """Yield the clicks of the warm-up days, in short chains that follow the users' intents."""
    chains = round(settings.users * settings.past_clicks / (1 + _FOLLOW_UPS))
    if not settings.warm_up_days:
        chains = 0
    for start in range(0, chains, BLOCK):
        yield _draw_chains(min(BLOCK, chains - start), people, shelves[0][1], settings, generator)


def _draw_chains(
    chains: int,
    people: People,
    shelf: Shelf,
    settings: SimulatorSettings,
    generator: np.random.Generator,
) -> Events:
    user = _active_users(people, chains, generator)
    span = settings.warm_up_days * DAY_S
    start = START_S - span + generator.integers(0, span - 2 * DAY_S // 24, chains)
    anchor = shelf.wanted(people, user, settings, generator)
    anchor = shelf.liked(people, user, anchor, generator)
    intent = people.intent_on(user, shelf.shop.category[anchor], np.zeros(chains), None)
    items, times = [anchor], [start]
    for _ in range(_FOLLOW_UPS):
        tier = choose(intent, generator)
        near = shelf.near(anchor, tier, generator)
        items.append(shelf.liked(people, user, near, generator))
        times.append(times[-1] + generator.integers(*_PAUSE_S, chains))
    users = np.tile(user, 1 + _FOLLOW_UPS)
    return Events(user=users, item=np.concatenate(items), time=np.concatenate(times))


def _active_users(people: People, num: int, generator: np.random.Generator) -> np.ndarray:
    return generator.choice(people.size, num, p=people.activity / people.activity.sum())


def _stretches(shelves: Shelves, day: np.ndarray) -> Iterator[tuple[Shelf, np.ndarray]]:
    """Yield each shelf with the rows whose day it serves."""
    number = np.searchsorted([first for first, _ in shelves], day, "right") - 1
    for index, (_, shelf) in enumerate(shelves):
        yield shelf, np.flatnonzero(number == index)


def _pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, max(len(rows), 1), BLOCK):
        yield rows[start : start + BLOCK]
