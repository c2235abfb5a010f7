"""Messages arrive where the configuration says, or are kept; they never fail what they tell of."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.errors import ConfigError
from models.settings import parse_settings
from steps.adapters.notify import FILE, Notification, NotifyConfig, events, notify, notify_all


class Receiver(HTTPServer):
    """A webhook's server that keeps what it was sent and answers with ``statuses`` in turn."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def message(**changed: Any) -> Notification:
    values = {"event": "failed", "source": "schedule daily", "text": "It failed.", "details": {}}
    return Notification.model_validate(values | changed)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_by_default_a_message_is_a_line_in_the_state_folder(state: Path) -> None:
    assert notify(message(details={"attempt": 3}), NotifyConfig())
    assert notify(message(event="succeeded", text="Ça marche."), NotifyConfig())
    first, second = lines(state / FILE)
    assert first["text"] == "[schedule daily] It failed."
    assert (first["event"], first["details"]) == ("failed", {"attempt": 3})
    assert second["text"] == "[schedule daily] Ça marche."


def test_a_webhook_gets_json_with_a_text_for_people(receiver: Receiver, state: Path) -> None:
    assert notify(message(), NotifyConfig(kind="webhook", url=receiver.url))
    kind, sent = receiver.received[0]
    assert kind == "application/json"
    assert sent["text"] == "[schedule daily] It failed."
    assert sent["source"] == "schedule daily"
    assert not (state / FILE).exists()


def test_a_webhook_that_stumbles_once_is_tried_again(receiver: Receiver, state: Path) -> None:
    receiver.statuses = [503]
    assert notify(message(), NotifyConfig(kind="webhook", url=receiver.url))
    assert len(receiver.received) == 2
    assert not (state / FILE).exists()


def test_an_address_may_stand_in_the_environment(
    receiver: Receiver, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = NotifyConfig(kind="webhook", url="${TEAM_HOOK}", tries=1)
    assert not notify(message(), config)
    assert "TEAM_HOOK is not set" in lines(state / FILE)[0]["undelivered"]
    monkeypatch.setenv("TEAM_HOOK", receiver.url)
    assert notify(message(), config)


def test_what_does_not_arrive_is_kept_and_fails_nothing(
    receiver: Receiver, state: Path, free_port: int
) -> None:
    receiver.statuses = [500, 500]
    down = f"http://127.0.0.1:{free_port}/s3cret"
    assert not notify(message(text="one"), NotifyConfig(kind="webhook", url=receiver.url))
    assert not notify(message(text="two"), NotifyConfig(kind="webhook", url=down, tries=1))
    kept = lines(state / FILE)
    assert [line["text"] for line in kept] == ["[schedule daily] one", "[schedule daily] two"]
    assert "HTTP 500" in kept[0]["undelivered"]
    assert "s3cret" not in (state / FILE).read_text(encoding="utf-8")


def test_a_folder_where_nothing_can_be_written_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path / "file" / "state"))
    assert not notify(message(), NotifyConfig())


def test_only_the_events_asked_for_are_told_of(state: Path) -> None:
    hooks = (NotifyConfig(on=("failed", "timed_out")), NotifyConfig(on=("promoted",)))
    assert notify_all(message(event="failed"), hooks) == 1
    assert notify_all(message(event="succeeded"), hooks) == 0
    assert [line["event"] for line in lines(state / FILE)] == ["failed"]


def test_a_half_line_that_a_killed_writer_left_spoils_no_other(state: Path) -> None:
    state.mkdir()
    (state / FILE).write_text('{"text": "hal', encoding="utf-8")
    assert notify(message(), NotifyConfig())
    torn, whole = (state / FILE).read_text(encoding="utf-8").splitlines()
    assert torn == '{"text": "hal'
    assert json.loads(whole)["event"] == "failed"


def write_many(path: str, who: str) -> None:
    for number in range(50):
        notify(message(text=f"{who} {number}" + "x" * 5000), NotifyConfig(path=path))


def test_writers_at_the_same_time_lose_and_mix_nothing(tmp_path: Path, state: Path) -> None:
    path = tmp_path / "told.jsonl"
    context = get_context("fork")
    writers = [context.Process(target=write_many, args=(str(path), who)) for who in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len({line["text"] for line in lines(path)}) == 150


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kind": "webhook"}, "needs its address"),
        ({"kind": "webhook", "url": "hooks.example.org/x"}, "http://… or https://…"),
        ({"kind": "webhook", "url": "https://x.org", "path": "p"}, "no path"),
        ({"kind": "file", "url": "https://x.org"}, "no url"),
        ({"on": ["faild"]}, "'succeeded', 'failed'"),
        ({"kind": "mail"}, "'file' or 'webhook'"),
        ({"timeout": 3}, "did you mean 'timeout_s'"),
    ],
)
def test_a_wrong_hook_is_refused_with_what_is_allowed(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_settings(NotifyConfig, values, "here")


def test_yaml_may_write_on_without_quotes() -> None:
    values = yaml.safe_load("kind: file\non: [failed]")
    assert parse_settings(NotifyConfig, values, "here").on == ("failed",)


def test_every_event_can_be_asked_for() -> None:
    assert all(NotifyConfig.model_validate({"on": [event]}) for event in events())
