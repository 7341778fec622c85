"""Endpoints served below the web framework: for the one path where its milliseconds count.

The same rules hold as above it: the scope table, the body limit, metrics, a span, problems as answers. What
is left out is parsing and validating by the framework; the endpoint gets the body's bytes and sends bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import ASGIApp, Receive, Scope, Send
from uuid_utils import uuid7

from chassis import observability as seen
from chassis.auth import Authenticator, Caller, missing_token, needs
from chassis.errors import Problem, Text, describe, is_transient, where

TRY_AGAIN = Text("Try again in a moment.", "Повторите через минуту.")
Header = tuple[bytes, bytes]
ALWAYS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""What every answer bears that does not say otherwise: it is somebody's, and what it says it is."""


class Exchange:
    """One request and its answer: who asks, the headers (lower case) and body, and the way back.

    Every answer, a refusal too, bears the request's id in X-Request-Id.
    """

    def __init__(self, caller: Caller, headers: Mapping[bytes, bytes], body: bytes, receive: Receive) -> None:
        self.caller = caller
        self.body = body
        self._headers = headers
        self._receive = receive
        self._send: Send | None = None
        self.status = 0
        self.request_id = str(uuid7())

    def header(self, name: bytes) -> str:
        """Return a header's value, empty without it."""
        return self._headers.get(name, b"").decode("utf-8", "replace")

    @property
    def language(self) -> str:
        """Return "ru" when the caller prefers Russian, else "en"."""
        return "ru" if self._headers.get(b"accept-language", b"").lower().startswith(b"ru") else "en"

    def answers_by(self, send: Send) -> None:
        """Say where the answer goes."""
        self._send = send

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Send the answer's status and headers."""
        self.status = status
        names = {name.lower() for name, _ in headers}
        named = [*headers, *(one for one in ALWAYS if one[0] not in names)]
        named.append((b"x-request-id", self.request_id.encode()))
        await self._to({"type": "http.response.start", "status": status, "headers": named})

    async def send(self, chunk: bytes, *, more: bool) -> None:
        """Send a part of the answer's body; `more` is false with the last one."""
        await self._to({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _to(self, message: dict[str, Any]) -> None:
        assert self._send is not None  # noqa: S101 -- set before the endpoint runs
        await self._send(message)

    @contextmanager
    def watching(self, gone: Callable[[], None]) -> Iterator[None]:
        """Call `gone` when the caller hangs up while the block runs."""

        async def watch() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            gone()

        task = asyncio.get_running_loop().create_task(watch())
        try:
            yield
        finally:
            task.cancel()


@dataclass(frozen=True, slots=True)
class DirectEndpoint:
    """What answers "METHOD /path", and the body of a refusal in a language."""

    endpoint: str
    answer: Callable[[Exchange], Awaitable[None]]
    refusal: Callable[[Problem, str], dict[str, Any]]


class Direct:
    """Serves the direct endpoints and hands everything else to the application behind it."""

    def __init__(
        self,
        app: ASGIApp,
        endpoints: Sequence[DirectEndpoint],
        *,
        scopes: Mapping[str, str],
        authenticator: Authenticator,
        max_body: int,
    ) -> None:
        unlisted = {one.endpoint for one in endpoints} - set(scopes)
        if unlisted:
            raise ValueError(f"endpoints without a scope: {sorted(unlisted)}")
        self._app = app
        self._endpoints = {tuple(one.endpoint.split(" ", 1)): one for one in endpoints}
        self._scopes = scopes
        self._authenticator = authenticator
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        served = self._endpoints.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if served is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        exchange = Exchange(Caller("", "", frozenset()), headers, b"", receive)
        exchange.answers_by(send)
        try:
            with _span(served.endpoint, headers):
                await self._serve(served, exchange, headers, receive)
        finally:
            method, path = served.endpoint.split(" ", 1)
            seconds = time.perf_counter() - started
            seen.http_seconds.labels(method, path, str(exchange.status or 500)).observe(seconds)

    async def _serve(
        self, served: DirectEndpoint, exchange: Exchange, headers: Mapping[bytes, bytes], receive: Receive
    ) -> None:
        try:
            exchange.caller = await self._caller(served.endpoint, exchange)
            exchange.body = await self._body(headers, receive)
            await served.answer(exchange)
        except Exception as error:
            problem = (
                error if isinstance(error, Problem) else _fault(served.endpoint, exchange.request_id, error)
            )
            if exchange.status:  # the answer has begun: all that is left is to break it off
                raise
            body = orjson.dumps(served.refusal(problem, exchange.language))
            more = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await exchange.start(problem.status, kind + more)
            await exchange.send(body, more=False)

    async def _caller(self, endpoint: str, exchange: Exchange) -> Caller:
        scheme, _, token = exchange.header(b"authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise missing_token()
        caller = await self._authenticator.caller(token.strip(), exchange.header(b"x-tenant-id"))
        needs(caller, self._scopes[endpoint])
        return caller

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_body:
            raise _too_large()
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _hung_up()
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_body:
                raise _too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def _span(endpoint: str, headers: Mapping[bytes, bytes]) -> Iterator[None]:
    """One span a request, as the framework makes them; without a collector nothing."""
    if not hasattr(trace.get_tracer_provider(), "force_flush"):
        yield
        return
    carrier = {"traceparent": headers.get(b"traceparent", b"").decode("latin-1")}
    method, path = endpoint.split(" ", 1)
    with seen.tracer.start_as_current_span(
        endpoint,
        context=propagate.extract(carrier),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method, "http.route": path},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def _fault(endpoint: str, request_id: str, error: Exception) -> Problem:
    transient = is_transient(error)
    told = {"request_id": request_id, "error": describe(error), "at": where(error)}
    seen.log().error("request_failed", path=endpoint, **told)
    return Problem(
        503 if transient else 500,
        "temporarily_unavailable" if transient else "internal_error",
        Text("The service cannot answer at the moment.", "Сервис сейчас не может ответить.")
        if transient
        else Text("Something went wrong on our side.", "Что-то сломалось на нашей стороне."),
        action=TRY_AGAIN,
    )


def _hung_up() -> Problem:
    """Nobody reads it; but it is counted as the caller's, not as a fault of ours."""
    return Problem(
        400,
        "body_incomplete",
        Text("The body ended too early.", "Тело запроса оборвалось."),
        action=TRY_AGAIN,
    )


def _too_large() -> Problem:
    return Problem(
        413,
        "body_too_large",
        Text("The body is too large.", "Тело запроса слишком велико."),
        action=Text("Send fewer or shorter messages.", "Отправьте меньше сообщений или короче."),
    )
