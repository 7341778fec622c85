"""The HTTP side of the chassis: problem documents, limits, scopes by one table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from chassis.auth import Caller
from chassis.errors import Problem, Text, Transient
from chassis.http import CallerDep, http_app
from chassis.routes import api_router

SCOPES = {
    "POST /v1/things": "curate",
    "GET /v1/things/{thing_id}": "dialogs:read",
    "GET /v1/broken": "dialogs:read",
    "GET /v1/things/{thing_id}/parts/{part:path}": "dialogs:read",
}


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    size: int


class Anybody:
    """Takes every token for an editor's."""

    async def caller(self, token: str, acting_for: str = "") -> Caller:
        return Caller("acme", token, frozenset({"dialogs:read", "curate"}))


def routes() -> APIRouter:
    router = api_router()

    @router.post("/v1/things")
    async def make(caller: CallerDep, thing: Thing) -> dict[str, Any]:
        return {"tenant": caller.tenant, "size": thing.size}

    @router.get("/v1/things/{thing_id}")
    async def get(thing_id: str) -> None:
        problem = Text("No such thing.", "Такого нет.")
        raise Problem(
            409, "thing_busy", problem, action=Text("Wait.", "Подождите."), field="thing_id", by="olga"
        )

    @router.get("/v1/things/{thing_id}/parts/{part:path}")
    async def parts(thing_id: str, part: str) -> dict[str, str]:
        return {"thing": thing_id, "part": part}

    @router.get("/v1/broken")
    async def broken(how: str) -> None:
        raise Transient("x") if how == "transient" else RuntimeError("a secret in an error")

    return router


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    anybody: Any = Anybody()
    app = http_app(title="t", router=routes(), scopes=SCOPES, authenticator=anybody, max_body=1_000)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": "Bearer olga"}
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers=headers) as http:
        yield http


async def test_a_problem_says_what_where_and_what_to_do_in_two_languages(client: httpx.AsyncClient) -> None:
    english = await client.get("/v1/things/1")
    russian = await client.get("/v1/things/1", headers={"Accept-Language": "ru-RU,ru;q=0.9"})
    assert english.headers["content-type"] == "application/problem+json"
    assert english.json() == {
        "type": "urn:mortarboard:problem:thing_busy", "status": 409, "code": "thing_busy",
        "title": "thing busy", "detail": "No such thing.", "field": "thing_id", "action": "Wait.",
        "by": "olga",
    }  # fmt: skip
    assert (russian.json()["detail"], russian.json()["action"]) == ("Такого нет.", "Подождите.")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"size": "secret-input"}', "body.size"),
        (b'{"size": 1, "sizee": "secret-input"}', "body.sizee"),
        (b'{"size": secret-input', "body"),
        (b"[]", "body"),
        (b"", "body"),
    ],
)
async def test_bad_input_is_named_and_never_repeated(
    client: httpx.AsyncClient, body: bytes, field: str
) -> None:
    answer = await client.post("/v1/things", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["field"].startswith(field)
    assert "secret-input" not in answer.text


async def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 500

    answer = await client.post("/v1/things", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("DELETE", "/v1/things", 405), ("GET", "/v1/broken?how=transient", 503),
     ("GET", "/v1/broken?how=bug", 500)],
)  # fmt: skip
async def test_every_failure_is_a_problem_document(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.json()["action"]
    assert "secret" not in answer.text


async def test_an_endpoint_that_streams_may_take_a_larger_body_and_no_other() -> None:
    anybody: Any = Anybody()
    large = {"POST /v1/things": 2_000}
    app = http_app(
        title="t", router=routes(), scopes=SCOPES, authenticator=anybody, max_body=10, large_bodies=large
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://t", headers={"Authorization": "Bearer olga"}
    ) as http:
        taken = await http.post("/v1/things", json={"size": 1})
        refused = await http.post("/v1/things", content=b" " * 2_001)
    assert (taken.status_code, refused.status_code) == (200, 413)


def test_an_endpoint_without_a_scope_does_not_start() -> None:
    anybody: Any = Anybody()
    with pytest.raises(ValueError, match="POST /v1/things"):
        http_app(
            title="t", router=routes(), scopes={k: v for k, v in SCOPES.items() if not k.startswith("POST")},
            authenticator=anybody, max_body=1,
        )  # fmt: skip


async def test_an_identifier_with_slashes_is_one_step_of_a_path(client: httpx.AsyncClient) -> None:
    found = await client.get("/v1/things/tg%2F12%2f%D0%B4/parts/a/b%2Fc")
    assert found.json() == {"thing": "tg/12/д", "part": "a/b/c"}
    assert (await client.get("/v1/things/a%2Fb")).json()["code"] == "thing_busy"
    assert (await client.get("/v1/things/a/b")).json()["code"] == "no_such_path"
    assert (await client.get("/v1/things/a%00b")).json()["code"] == "nul_refused"
    assert (await client.get("/v1/things/a%2Fb%00")).json()["code"] == "nul_refused"


async def test_every_answer_is_nobody_elses_and_nothing_but_what_it_says(client: httpx.AsyncClient) -> None:
    for path in ("/v1/things/1", "/v1/things/1/parts/a", "/v1/nowhere", "/v1/broken?how=x"):
        answer = await client.get(path)
        assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == (
            "nosniff",
            "no-store",
        ), path
