"""The console's door: signing in by the issuer, staying in, leaving, and who is not let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deploy.stack import assets
from deploy.stack.services import SERVICES, Surroundings
from deploy.stack.settings import from_environment
from tests.harness import Running, console_service

NOWHERE = "http://127.0.0.1:9"
BEHIND = tuple(one.name for one in SERVICES)


@asynccontextmanager
async def console(surroundings: Surroundings, folder: Path) -> AsyncIterator[Running]:
    """console-svc with no services behind it."""
    assets.build(from_environment())
    async with console_service(surroundings, folder, dict.fromkeys(BEHIND, NOWHERE)) as running:
        yield running


async def enter(client: httpx.AsyncClient, issuer: str, sub: str, path: str = "/") -> httpx.Response:
    """Sign in as somebody, as a browser does it; returns the page that was asked for."""
    asked = await client.get(path)
    assert asked.status_code == 303
    there = (await client.get(asked.headers["location"])).headers["location"]
    assert there.startswith(issuer)
    chosen = await client.post(there, data={"sub": sub})
    back = await client.get(chosen.headers["location"])
    assert back.status_code == 303, back.text
    return await client.get(back.headers["location"])


async def test_in_by_the_issuer_and_out_again(surroundings: Surroundings, tmp_path: Path) -> None:
    async with console(surroundings, tmp_path) as running, httpx.AsyncClient(base_url=running.url) as client:
        shown = await enter(client, surroundings.issuer, "olga", "/?from=a%26b")
        assert (shown.status_code, shown.url.query) == (200, b"from=a%26b")
        assert "Hello, <bdi>Olga</bdi>" in shown.text
        assert "script-src 'self'" in shown.headers["content-security-policy"]
        sheet = await client.get(shown.text.split('rel="stylesheet" href="')[1].split('"')[0])
        assert sheet.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert sheet.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in shown.headers
        cookie = next(one for one in client.cookies.jar if one.name == "mortarboard-local")
        assert cookie.has_nonstandard_attr("HttpOnly")
        russian = await client.get("/", headers={"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"})
        assert "Здравствуйте, <bdi>Olga</bdi>" in russian.text

        token = shown.text.split('data-page-token="')[1].split('"')[0]
        origin = {"Origin": running.url}
        for headers, form in (
            ({}, {"page_token": token}),
            ({"Origin": "http://127.0.0.1:1"}, {"page_token": token}),
            (origin, {}),
            (origin, {"page_token": token[:-1] + "x"}),
        ):
            refused = await client.post("/sign-out", data=form, headers=headers)
            assert refused.status_code == 403, (headers, form)
        assert (await client.get("/")).status_code == 200
        assert (await client.post("/sign-out", data={"page_token": token}, headers=origin)).status_code == 303
        assert (await client.get("/signed-out")).status_code == 200  # in any language, and after a reload
        assert (await client.get("/")).status_code == 303


async def test_a_code_of_somebody_elses_sign_in_opens_nothing(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with (
        console(surroundings, tmp_path) as running,
        httpx.AsyncClient(base_url=running.url) as client,
        httpx.AsyncClient(base_url=running.url) as victim,
    ):
        there = (await client.get("/sign-in")).headers["location"]
        back = (await client.post(there, data={"sub": "olga"})).headers["location"]
        path = f"{urlsplit(back).path}?{urlsplit(back).query}"
        assert (await victim.get(path)).status_code == 403
        assert (await victim.get("/")).status_code == 303
        part = await victim.get("/", headers={"HX-Request": "true"})
        assert (part.status_code, part.headers["x-session-ended"]) == (401, "1")


async def test_no_token_lies_open_in_the_database_or_a_log(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with console(surroundings, tmp_path) as running, httpx.AsyncClient(base_url=running.url) as client:
        await enter(client, surroundings.issuer, "olga")
        session_id = client.cookies["mortarboard-local"]
        async with surroundings.databases.connection(surroundings.database) as admin:
            rows = await admin.fetch("SELECT t::text FROM console_svc.sessions t")
        assert len(rows) == 1
        assert "eyJ" not in rows[0]["t"]
        assert session_id not in rows[0]["t"]
        log = running.log.read_text()
        assert session_id not in log
        assert "eyJ" not in log
