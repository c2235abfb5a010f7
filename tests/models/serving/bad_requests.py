"""Requests that must be refused, and a word their refusal must contain."""

import json
from typing import Any

from models.serving.request import MAX_CANDIDATES, MAX_HISTORY

GOOD: dict[str, Any] = {"user_id": 3, "candidates": [1, 2], "timestamp": 1_600_000_000}


def changed(**values: Any) -> bytes:
    return json.dumps(GOOD | values).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "empty body": (b"", "JSON"),
    "not JSON": (b"{candidates", "JSON"),
    "not UTF-8": (b'{"candidates": ["\xff"], "timestamp": 5}', "JSON"),
    "not an object": (b"[1, 2]", "object"),
    "no candidates": (b'{"timestamp": 5}', "candidates"),
    "empty candidates": (changed(candidates=[]), "candidates"),
    "too many candidates": (changed(candidates=list(range(MAX_CANDIDATES + 1))), "candidates"),
    "null candidate": (changed(candidates=[None]), "candidates.0"),
    "nested candidate": (changed(candidates=[[1]]), "candidates.0"),
    "boolean candidate": (changed(candidates=[True]), "candidates.0"),
    "fractional candidate": (changed(candidates=[1.5]), "candidates.0"),
    "candidate beyond 64 bits": (changed(candidates=[2**70]), "candidates.0"),
    "endless id": (changed(candidates=["x" * 5000]), "candidates.0"),
    "no timestamp": (b'{"candidates": [1]}', "timestamp"),
    "timestamp NaN": (b'{"candidates": [1], "timestamp": NaN}', "timestamp"),
    "timestamp infinite": (b'{"candidates": [1], "timestamp": Infinity}', "timestamp"),
    "timestamp in milliseconds": (changed(timestamp=1_600_000_000_000), "timestamp"),
    "timestamp negative": (changed(timestamp=-1), "timestamp"),
    "timestamp as text": (changed(timestamp="yesterday"), "timestamp"),
    "misspelt key": (changed(candidate=[1]), "candidate"),
    "history of bare items": (changed(history=[1, 2]), "history.0"),
    "event without time": (changed(history=[{"item_id": 1}]), "history.0.timestamp"),
    "event in milliseconds": (
        changed(history=[{"item_id": 1, "timestamp": 1_600_000_000_000}]),
        "history.0.timestamp",
    ),
    "too long a history": (
        changed(history=[{"item_id": 1, "timestamp": 1}] * (MAX_HISTORY + 1)),
        "history",
    ),
    "NaN in a field": (
        b'{"candidates": [1], "timestamp": 5, "user": {"city": NaN}}',
        "user.city",
    ),
    "nested field": (changed(user={"city": {"name": "x"}}), "user.city"),
    "too many fields": (changed(user={str(i): 1 for i in range(200)}), "user"),
    "unknown user field": (changed(user={"town": "x"}), "town"),
    "unknown context field": (changed(context={"pages": "x"}), "pages"),
}
