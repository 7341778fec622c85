"""The door: who is let in, which changes are, and what an open page is told when its session is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request

from console_svc.domain.session import Session, Tokens
from console_svc.inbound.guard import POLICY, Guard
from console_svc.outbound.identity import IssuerUnavailableError
from console_svc.settings import ConsoleSettings
from console_svc.usecases.sign_in import Desk

HERE = "http://127.0.0.1:18082"
LATER = datetime.now(UTC) + timedelta(hours=1)
OLGA = Session("s1", "acme", "olga", "Olga", "owner", "token-1", Tokens("a", "r", LATER), LATER)


@dataclass
class Doors:
    """Stands for the store and the issuer: it knows one session, or is silent."""

    session: Session | None = OLGA
    silent: bool = False

    async def find(self, session_id: str) -> Session | None:
        if self.silent:
            raise IssuerUnavailableError("silent")
        return self.session if self.session and session_id == self.session.id else None


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
async def client(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr("console_svc.inbound.static.manifest", _Any)
    settings = ConsoleSettings.model_construct(public_url=HERE)
    guard = Guard(settings, cast(Desk, doors))
    app = FastAPI()
    app.middleware("http")(guard)

    @app.get("/page")
    async def page(request: Request) -> dict[str, str]:
        return {"tenant": request.state.session.tenant}

    @app.post("/change")
    async def change(request: Request) -> dict[str, str]:
        return {key: str(value) for key, value in (await request.form()).items()}

    @app.post("/sign-out")
    async def sign_out() -> str:
        return "signed out"

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("what somebody typed")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as made:
        made.cookies.set("mortarboard-local", "s1")
        yield made


class _Any(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


ORIGIN = {"Origin": HERE}


async def test_a_change_needs_our_origin_and_this_sessions_token(client: httpx.AsyncClient) -> None:
    good = ORIGIN | {"X-Page-Token": "token-1"}
    assert (await client.post("/change", headers=good)).status_code == 200
    for headers in (
        {"X-Page-Token": "token-1"},
        {"X-Page-Token": "token-1", "Origin": "null"},
        {"X-Page-Token": "token-1", "Origin": HERE + "0"},
        ORIGIN,
    ):
        refused = await client.post("/change", headers=headers)
        assert refused.status_code == 403, headers
        assert refused.headers["content-security-policy"] == POLICY
    by_form = await client.post("/change", headers=ORIGIN, data={"page_token": "token-1", "a": "ё"})
    assert by_form.json() == {"page_token": "token-1", "a": "ё"}


async def test_a_page_of_an_earlier_session_is_told_so(client: httpx.AsyncClient, doors: Doors) -> None:
    doors.session = replace(OLGA, page_token="token-2")
    stale = await client.post("/change", headers=ORIGIN | {"X-Page-Token": "token-1"})
    assert (stale.status_code, stale.headers["x-page-token-stale"]) == (403, "1")


@pytest.mark.parametrize("headers", [{"HX-Request": "true"}, {"Sec-Fetch-Mode": "cors"}])
async def test_a_part_of_a_page_is_not_sent_to_sign_in(
    client: httpx.AsyncClient, doors: Doors, headers: dict[str, str]
) -> None:
    doors.session = None
    answer = await client.get("/page", headers=headers)
    assert (answer.status_code, answer.headers["x-session-ended"]) == (401, "1")
    whole = await client.get("/page?a=1", headers={"Sec-Fetch-Mode": "navigate"})
    assert (whole.status_code, whole.headers["location"]) == (303, "/sign-in?go_on=%2Fpage%3Fa%3D1")


@pytest.mark.parametrize(
    ("asked", "go_on"),
    [("/page%3Fb%23%2525", "/page%3Fb%23%2525"), ("/page?q=" + "%D1%8F" * 400, "/")],
    ids=["signs-in-an-id", "too-long"],
)
async def test_whoever_signs_in_comes_back_to_the_same_address(
    client: httpx.AsyncClient, doors: Doors, asked: str, go_on: str
) -> None:
    doors.session = None
    answer = await client.get(asked, headers={"Sec-Fetch-Mode": "navigate"})
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"go_on": [go_on]}


async def test_signing_out_of_a_session_that_has_ended_is_no_error(
    client: httpx.AsyncClient, doors: Doors
) -> None:
    doors.session = None
    answer = await client.post("/sign-out", headers=ORIGIN | {"Sec-Fetch-Mode": "navigate"})
    assert answer.text == '"signed out"'


async def test_a_part_of_a_page_is_refused_by_a_part(client: httpx.AsyncClient, doors: Doors) -> None:
    doors.silent = True
    whole, part = await client.get("/page"), await client.get("/page", headers={"HX-Request": "true"})
    assert "<html" in whole.text
    assert 'href="/sign-in"' in whole.text
    assert "<html" not in part.text
    assert "The sign-in service gives no answer." in part.text


async def test_a_silent_issuer_ends_no_session(client: httpx.AsyncClient, doors: Doors) -> None:
    doors.silent = True
    answer = await client.get("/page", headers={"Accept-Language": "ru"})
    assert answer.status_code == 503
    assert "Служба входа не отвечает" in answer.text
    assert "set-cookie" not in answer.headers


async def test_what_nobody_foresaw_says_nothing_of_what_was_sent(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == POLICY
    assert "what somebody typed" not in answer.text + "".join(capsys.readouterr())


async def test_no_answer_is_kept_by_a_browser(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page")
    assert answer.json() == {"tenant": "acme"}
    assert answer.headers["cache-control"] == "no-store"
