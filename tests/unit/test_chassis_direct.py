"""Endpoints below the framework keep its rules: tokens, scopes, size, refusals, metrics."""

from __future__ import annotations

from typing import Any, cast

import pytest
from starlette.types import Message, Scope

from chassis.auth import Authenticator, Caller, bad_token
from chassis.direct import Direct, DirectEndpoint, Exchange
from chassis.errors import Problem

ENDPOINT = "POST /v1/things"


class Known:
    """Knows one token."""

    async def caller(self, token: str, acting_for: str = "") -> Caller:
        if token not in {"good", "weak"}:
            raise bad_token()
        return Caller("acme", "olga", frozenset({"chat"} if token == "good" else set()))


async def echo(exchange: Exchange) -> None:
    if exchange.body == b"break":
        raise ZeroDivisionError
    await exchange.start(200, [(b"x-tenant", exchange.caller.tenant.encode())])
    if exchange.body == b"break late":
        raise ZeroDivisionError
    await exchange.send(exchange.body, more=False)


def refusal(problem: Problem, language: str) -> dict[str, Any]:
    return {"code": problem.code, "language": language}


async def behind(scope: Scope, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})


def direct(max_body: int = 10) -> Direct:
    return Direct(
        behind,
        [DirectEndpoint(ENDPOINT, echo, refusal)],
        scopes={ENDPOINT: "chat"},
        authenticator=cast(Authenticator, Known()),
        max_body=max_body,
    )


async def call(
    app: Direct, token: str, *parts: bytes, path: str = "/v1/things", **headers: str
) -> list[Message]:
    sent: list[Message] = []
    waiting = [
        {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
        for place, part in enumerate(parts)
    ]

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    named = {"authorization": f"Bearer {token}"} | headers
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    await app({"type": "http", "method": "POST", "path": path, "headers": raw}, receive, send)
    return sent


async def test_a_caller_with_the_scope_is_served() -> None:
    start, body = await call(direct(), "good", b"he", b"llo")
    assert (start["status"], dict(start["headers"])[b"x-tenant"]) == (200, b"acme")
    assert dict(start["headers"])[b"x-content-type-options"] == b"nosniff"
    assert body["body"] == b"hello"


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [("", 401, b"token_"), ("bad", 401, b"token_invalid"), ("weak", 403, b"scope_")],
)
async def test_strangers_are_refused_in_the_endpoints_own_form(token: str, status: int, code: bytes) -> None:
    start, body = await call(direct(), token, b"x", accept_language="ru")
    assert start["status"] == status
    assert dict(start["headers"])[b"x-request-id"]
    assert code in body["body"]
    assert b'"language":"ru"' in body["body"]


async def test_a_large_body_is_refused_before_it_is_read_whole() -> None:
    start, body = await call(direct(), "good", b"123456", b"78901", b"never read")
    assert (start["status"], b"body_too_large" in body["body"]) == (413, True)
    start, _ = await call(direct(), "good", b"", content_length="11")
    assert start["status"] == 413


async def test_a_fault_is_a_refusal_until_the_answer_has_begun() -> None:
    start, body = await call(direct(), "good", b"break")
    assert (start["status"], b"internal_error" in body["body"]) == (500, True)
    with pytest.raises(ZeroDivisionError):
        await call(direct(), "good", b"break late")


async def test_everything_else_goes_to_the_application() -> None:
    (start,) = await call(direct(), "good", b"", path="/v1/other")
    assert start["status"] == 299


def test_an_endpoint_without_a_scope_does_not_start() -> None:
    with pytest.raises(ValueError, match="without a scope"):
        Direct(
            behind,
            [DirectEndpoint(ENDPOINT, echo, refusal)],
            scopes={},
            authenticator=cast(Authenticator, Known()),
            max_body=1,
        )


async def test_a_caller_who_hangs_up_before_the_body_ends_is_no_fault_of_ours() -> None:
    start, body = await call(direct(), "good")
    assert (start["status"], b"body_incomplete" in body["body"]) == (400, True)
