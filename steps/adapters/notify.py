"""Messages to people: a line in a file, or JSON posted to a webhook such as Slack's.

A hook that cannot be reached never fails what it reports on: the message then stands in the
default file, ``<state>/notifications.jsonl``, with the reason why it did not arrive.
"""

import json
import logging
import os
import re
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.settings import Settings
from steps.adapters.workspace import project_root, state_folder

logger = logging.getLogger(__name__)

FILE = "notifications.jsonl"
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

# A scheduled run's, a drift report's and a release's.
Event = Literal[
    "succeeded", "failed", "timed_out", "skipped", "missed",
    "drifted", "not_drifted",
    "registered", "staged", "promoted", "kept", "rolled_back", "archived",
]  # fmt: skip
Value = str | int | float | bool | None


class NotifyConfig(Settings):
    """One hook; docs/how-to/schedule-retraining.md shows both kinds.

    Attributes:
        kind: ``file`` appends a JSON line, ``webhook`` posts the same JSON.
        url: Where a webhook listens. ``${NAME}`` is read from the environment when a message is
            sent, so that no secret stands in a file.
        path: The file, from the project's root; null is ``notifications.jsonl`` in the state
            folder.
        on: The events told of; null is every event.
        timeout_s: Seconds a webhook may take to answer.
        tries: How often a webhook is tried.
    """

    kind: Literal["file", "webhook"] = "file"
    url: str | None = None
    path: str | None = None
    on: tuple[Event, ...] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    tries: Annotated[int, Field(ge=1, le=5)] = 2

    @model_validator(mode="before")
    @classmethod
    def _reads_on(cls, values: object) -> object:
        """Return ``values`` with the key ``on``, which YAML 1.1 reads as the value true."""
        if isinstance(values, dict) and True in values:
            return {"on" if key is True else key: value for key, value in values.items()}
        return values

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None or VARIABLE.match(url):
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("a webhook's address is http://… or https://…, or ${NAME}")
        return url

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "webhook" and self.url is None:
            raise ValueError("a webhook needs its address: url: https://… or url: ${NAME}")
        if self.kind == "file" and self.url is not None:
            raise ValueError("a file has no url; write kind: webhook, or path: instead of url:")
        if self.kind == "webhook" and self.path is not None:
            raise ValueError("a webhook has no path; write kind: file, or url: instead of path:")
        return self


class Notification(BaseModel):
    """What is told.

    Attributes:
        event: What happened.
        source: Whose message it is, such as ``schedule daily`` or ``release films``.
        text: One or two sentences for a person.
        details: Figures and names for a machine.
        at: When it happened.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: Event
    source: str
    text: str
    details: dict[str, Value] = {}
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def payload(self) -> dict[str, object]:
        """Return the JSON that is sent: Slack, Mattermost and others show its ``text``."""
        return {
            "text": f"[{self.source}] {self.text}",
            "event": self.event,
            "source": self.source,
            "at": self.at.isoformat(timespec="seconds"),
            "details": self.details,
        }


def notify(notification: Notification, config: NotifyConfig) -> bool:
    """Tell of ``notification`` where ``config`` asks for its event; return whether it arrived.

    Nothing is raised: what cannot be delivered is kept in the default file and logged.
    """
    if config.on is not None and notification.event not in config.on:
        return False
    try:
        payload = notification.payload()
        if config.kind == "webhook":
            _post(payload, config)
        else:
            _append(_file(config), payload)
    except Exception as error:  # whatever it is, the run that it reports on goes on
        return _keep(notification, error)
    return True


def notify_all(notification: Notification, configs: tuple[NotifyConfig, ...]) -> int:
    """Tell of ``notification`` on every hook that asks for it; return how many took it."""
    return sum(notify(notification, config) for config in configs)


def events() -> tuple[str, ...]:
    """Return the names that ``on`` takes."""
    return get_args(Event)


def _file(config: NotifyConfig) -> Path:
    return project_root() / config.path if config.path else state_folder() / FILE


def _append(path: Path, payload: dict[str, object]) -> None:
    """Add one line, whole, also where another process adds one or a killed one left half."""
    line = json.dumps(payload, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        flock(handle, LOCK_EX)
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, (("\n" if torn else "") + line).encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _post(payload: dict[str, object], config: NotifyConfig) -> None:
    request = urllib.request.Request(
        _address(config.url or ""),
        data=json.dumps(payload).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    for attempt in range(1, config.tries + 1):
        try:
            with urllib.request.urlopen(request, timeout=config.timeout_s):
                return
        except OSError:
            if attempt == config.tries:
                raise
            time.sleep(min(0.2 * 2**attempt, 2.0))


def _address(url: str) -> str:
    """Return ``url`` with the variables it names; raise `ValueError` where one is not set."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise ValueError(f"the variable {match[1]} is not set")
        return found

    address = VARIABLE.sub(value, url)
    if urlsplit(address).scheme not in {"http", "https"}:
        raise ValueError("a webhook's address is http://… or https://…")
    return address


def _keep(notification: Notification, error: Exception) -> bool:
    """Note what did not arrive, without the address: it may hold a secret."""
    why = f"{type(error).__name__}: {_reason(error)}"
    logger.warning("A notification did not arrive (%s): %s", why, notification.text)
    try:
        _append(state_folder() / FILE, notification.payload() | {"undelivered": why})
    except OSError as second:
        logger.warning("Nor could it be kept in the state folder: %s", second)
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return "" if isinstance(error, HTTPException) else str(error)
