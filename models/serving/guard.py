"""Turns bad requests away before they cost anything, and gives every error one JSON form."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from models.errors import RequestError
from models.serving.request import parse_request

MAX_BODY_BYTES = 2 * 1024 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class RejectedError(RequestError):
    """A request that is turned away with an HTTP status of its own."""

    def __init__(self, status: HTTPStatus, what: str, *, allowed: str, do: str) -> None:
        super().__init__(what, where="the HTTP request", allowed=allowed, do=do)
        self.status = status


class RequestGuard:
    """ASGI middleware: bodies of bounded size, JSON only, checked against their form.

    Args:
        app: The application behind.
        forms: Path to the form its POST body must have.
        readable: Paths without a body that GET may ask for too.
    """

    def __init__(
        self, app: App, forms: Mapping[str, type[BaseModel]], readable: Collection[str] = ()
    ) -> None:
        self.app, self.forms, self.readable = app, forms, readable

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a good request on; answer a bad one here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "GET" and scope["path"] in self.readable:
            scope = {**scope, "method": "POST"}
        form = self.forms.get(scope["path"]) if scope["method"] == "POST" else None
        try:
            if form is not None:
                body = await _read(scope, receive)
                parse_request(form, body)
                receive = _replay(body, receive)
        except RequestError as error:
            await _refuse(error, send)
            return
        await self.app(scope, receive, _in_json(scope, send))


def error_body(error: RequestError) -> dict[str, dict[str, str]]:
    """Return the JSON form of an error: what was wrong, where, what is allowed, what to do."""
    fields = ("what", "where", "allowed", "do")
    return {"error": {name: text for name in fields if (text := getattr(error, name))}}


async def _read(scope: MutableMapping[str, Any], receive: Receive) -> bytes:
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    media = headers.get(b"content-type", "application/json").split(";")[0].strip().lower()
    if media != "application/json":
        raise RejectedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Bodies of type {media!r} are not read.",
            allowed="application/json",
            do="Send JSON, with the header Content-Type: application/json.",
        )
    length = headers.get(b"content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise _too_large()
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> RejectedError:
    return RejectedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The request is too large.",
        allowed=f"at most {MAX_BODY_BYTES} bytes",
        do="Send fewer candidates or a shorter history.",
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body once more, then goes on with the connection."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


async def _refuse(error: RequestError, send: Send) -> None:
    status = error.status if isinstance(error, RejectedError) else HTTPStatus.BAD_REQUEST
    await _send_json(send, status, error_body(error), close=isinstance(error, RejectedError))


def _in_json(scope: Mapping[str, Any], send: Send) -> Send:
    """Return a ``send`` that puts plain-text errors, such as 404, into the JSON form."""
    replaced = False

    async def translate(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] >= 400:
            types = [value for name, value in message["headers"] if name == b"content-type"]
            replaced = not any(value.startswith(b"application/json") for value in types)
            if replaced:
                status = HTTPStatus(message["status"])
                error = RequestError(
                    f"{status.phrase}.", where=f"{scope['method']} {scope['path']}"
                )
                await _send_json(send, status, error_body(error))
        if not replaced:
            await send(message)

    return translate


async def _send_json(
    send: Send, status: HTTPStatus, content: Mapping[str, Any], *, close: bool = False
) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"connection", b"close")] if close else []
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
