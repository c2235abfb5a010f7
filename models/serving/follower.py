"""A serving process goes with production: it looks at one small file, and swaps between requests.

A new model is loaded, compared with its manifest and asked its golden requests beside the one in
use; then one assignment makes it the one in use. Whoever took the old one finishes on it. A version
that fails on the way is refused, and the old one goes on.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import CorruptArtifactError, IncompatibleArtifactError
from models.serving import golden
from models.serving.predictor import Predictor
from models.serving.request import Following

INTERVAL_S = 0.25
FIRST_RETRY_S, LAST_RETRY_S = 10.0, 300.0
# While a model is loaded, threads that answer requests get their turn this often, not every 5 ms:
# every torch operation of a request hands its turn over and has to get it back.
SWITCH_INTERVAL_S = 0.0002

_log = logging.getLogger(__name__)
Signature = tuple[int, int, int]


class Line:
    """A line of releases as a serving process sees it: what is in production, and where it lies.

    Args:
        folder: The line's folder, in which steps/adapters/release.py writes.
    """

    def __init__(self, folder: Path) -> None:
        self.pointer = folder / "production.json"
        self._bentos = folder / "production" / "bentos" / "intentflow"

    def signature(self) -> Signature | None:
        """Return what changes whenever the pointer does, for one stat; ``None`` without a file."""
        try:
            found = os.stat(self.pointer)  # noqa: PTH116 - a Path would be made anew each time
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def version(self) -> str | None:
        """Return the version in production, ``None`` before the first promotion.

        Raises:
            CorruptArtifactError: the pointer is not readable.
        """
        try:
            versions = json.loads(self.pointer.read_bytes())["versions"]
            return str(versions[-1]) if versions else None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise CorruptArtifactError(
                f"The production pointer is not readable: {error}.", where=str(self.pointer)
            ) from None

    def bundle(self, version: str) -> Path:
        """Return the folder of a version: the library, ``model/`` and the golden requests."""
        return self._bentos / version / "src"


class Follower:
    """Holds the model in use, and replaces it when production changes.

    Args:
        line: The line to follow; ``None`` to stay with ``packed``.
        packed: The model to begin with.
        interval_s: Seconds between two looks at the pointer.
        retry_s: Seconds until a refused version is tried again; doubled each time, up to 5 minutes.

    Attributes:
        predictor: The model in use. Take it once a request: a moment later it may be another.
    """

    def __init__(
        self,
        line: Line | None,
        packed: Predictor,
        *,
        interval_s: float = INTERVAL_S,
        retry_s: float = FIRST_RETRY_S,
    ) -> None:
        self.predictor = packed
        self._line, self._interval_s, self._retry_s = line, interval_s, retry_s
        self._seen: Signature | None = None
        self._wanted: str | None = None
        self._refused: str | None = None
        self._since, self._swaps = time.time(), 0
        self._retry_at, self._retry_after_s = float("inf"), retry_s
        self._end = threading.Event()

    def start(self) -> None:
        """Look once, so that the first request meets the version in production; then go on."""
        if self._line is None:
            return
        if self._line.signature() is None:
            _log.warning("Nothing in production at %s yet", self._line.pointer)
        self.look()
        threading.Thread(target=self._run, name="follow-production", daemon=True).start()

    def stop(self) -> None:
        """End looking."""
        self._end.set()

    def look(self) -> None:
        """Swap the model if production has changed, or if a refused version is due once more."""
        seen = None if self._line is None else self._line.signature()
        due = time.monotonic() >= self._retry_at
        if self._line is None or seen is None or (seen == self._seen and not due):
            return
        if seen != self._seen:
            self._retry_after_s = self._retry_s
        self._seen, self._retry_at = seen, float("inf")
        try:
            self._wanted = self._line.version()
            if self._wanted not in (None, self.predictor.version):
                self._take(load(self._line.bundle(self._wanted), self._wanted))
            self._refused = None
        except Exception as error:  # whatever is wrong with a version, the one in use goes on
            self._refuse(error)

    def told(self) -> Following | None:
        """Return how the model in use stands to production; ``None`` if that is not followed."""
        if self._line is None:
            return None
        return Following(
            production_version=self._wanted,
            serving_since=self._since,
            swaps=self._swaps,
            refused=self._refused,
        )

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            self.look()

    def _take(self, new: Predictor) -> None:
        old, self.predictor = self.predictor.version, new
        self._since, self._swaps = time.time(), self._swaps + 1
        _log.info("Serving %s, no longer %s", new.version, old)

    def _refuse(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + self._retry_after_s
        self._retry_after_s = min(2 * self._retry_after_s, LAST_RETRY_S)
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        if reason != self._refused:
            text = "Refused %s, still serving %s: %s"
            _log.error(text, self._wanted, self.predictor.version, reason)
        self._refused = reason


def load(bundle: Path, version: str) -> Predictor:
    """Return the model of a released version, verified and warm.

    Raises:
        CorruptArtifactError: a file is missing or differs, or the folder is of another version.
        IncompatibleArtifactError: this library does not compute what was packaged.
    """
    with _frequent_turns():
        found = packed_version(bundle)
        if found != version:
            raise IncompatibleArtifactError(
                f"The folder holds the Bento of version {found!r}." if found else "No Bento there.",
                where=str(bundle),
                allowed=version,
            )
        predictor = Predictor.load(bundle / "model", version=version)
        golden.check(predictor, bundle)
    return predictor


def packed_version(bundle: Path) -> str | None:
    """Return the version a Bento was packaged as; ``None`` outside of a Bento."""
    release = bundle / "release.json"
    return json.loads(release.read_text(encoding="utf-8"))["version"] if release.is_file() else None


@contextmanager
def _frequent_turns() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
