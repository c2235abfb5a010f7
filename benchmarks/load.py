"""Clients that keep asking a scoring server, and note every answer and every failure."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from types import TracebackType
from typing import Self

PATIENCE_S = 180.0
HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        at: When it came, by `time.perf_counter`.
        seconds: How long it took.
        request: Which of the bodies was asked.
        version: The model version it names.
        probabilities: What it says.
    """

    at: float
    seconds: float
    request: int
    version: str
    probabilities: tuple[float, ...]


class Load:
    """Asks until its block ends.

    Args:
        port: Where the server listens on 127.0.0.1.
        bodies: What is asked, in turn.
        clients: How many ask at once.
        pause_s: Seconds each waits after an answer.
        per_connection: Answers after which a client connects anew, perhaps to another worker.

    Attributes:
        answers: All answers so far, in the order they came.
        failures: What went wrong: answers other than 200, broken connections.
    """

    def __init__(
        self,
        port: int,
        bodies: Sequence[bytes],
        *,
        clients: int = 2,
        pause_s: float = 0.0,
        per_connection: int = 20,
    ) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._port, self._bodies, self._pause_s = port, bodies, pause_s
        self._per_connection = per_connection
        self._end = threading.Event()
        self._clients = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Self:
        """Begin."""
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, after the answers that are awaited."""
        self._end.set()
        for client in self._clients:
            client.join()

    def wait_for(self, version: str, *, answers: int = 30, patience_s: float = PATIENCE_S) -> float:
        """Return when ``version`` was first named by all, once so many answers in a row have it.

        Raises:
            TimeoutError: that did not happen in time.
        """
        begin, deadline = len(self.answers), time.monotonic() + patience_s
        while time.monotonic() < deadline:
            latest = self.answers[begin:][-answers:]
            if len(latest) == answers and all(answer.version == version for answer in latest):
                return latest[0].at
            time.sleep(0.01)
        raise TimeoutError(f"{version} is not served after {patience_s} s")

    def _ask(self, first: int) -> None:
        turns = count(first)
        while not self._end.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            try:
                for number in islice(turns, self._per_connection):
                    self._one(connection, number % len(self._bodies))
                    if self._end.wait(self._pause_s):
                        break
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            finally:
                connection.close()

    def _one(self, connection: http.client.HTTPConnection, request: int) -> None:
        began = time.perf_counter()
        connection.request("POST", "/score", self._bodies[request], HEADERS)
        reply = connection.getresponse()
        content = reply.read()
        ended = time.perf_counter()
        if reply.status != http.HTTPStatus.OK:
            self.failures.append(f"{reply.status}: {content[:200]!r}")
            return
        told = json.loads(content)
        version, probabilities = told["model_version"], tuple(told["probabilities"])
        self.answers.append(Answer(ended, ended - began, request, version, probabilities))


def wait_until_ready(port: int, *, patience_s: float = PATIENCE_S) -> None:
    """Return when the server on ``port`` is ready; raise `TimeoutError` if it never is."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise TimeoutError(f"nobody is ready on port {port} after {patience_s} s")
