"""Signing in at the development issuer: the code flow with PKCE, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.issuer.app import create_app
from deploy.issuer.keys import load_or_make
from deploy.issuer.people import PEOPLE
from deploy.issuer.sign_in import CODE_LIVES_S, Asked, RefusedError, SignIns

ISSUER = "http://127.0.0.1:18081"
VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "client_id": "console", "redirect_uri": "http://127.0.0.1:18080/sign-in/back", "response_type": "code",
    "scope": "openid", "state": "s&1", "nonce": "n1", "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}  # fmt: skip
FORM = {
    "grant_type": "authorization_code", "client_id": "console", "redirect_uri": ASKED["redirect_uri"],
    "code_verifier": VERIFIER,
}  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(load_or_make(tmp_path), ISSUER))
    return httpx.AsyncClient(transport=transport, base_url=ISSUER)


async def chosen(client: httpx.AsyncClient, sub: str = "olga", **changes: str) -> dict[str, list[str]]:
    answer = await client.post("/authorize", params=ASKED | changes, data={"sub": sub})
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def test_a_code_becomes_tokens_once(client: httpx.AsyncClient) -> None:
    page = await client.get("/authorize", params=ASKED)
    assert all(person.name in page.text for person in PEOPLE.values())
    back = await chosen(client)
    assert back["state"] == ["s&1"]
    form = FORM | {"code": back["code"][0]}
    tokens = (await client.post("/token", data=form)).raise_for_status().json()
    keys = KeySet.import_key_set((await client.get("/.well-known/jwks.json")).json())
    told = jwt.decode(tokens["id_token"], keys, algorithms=["EdDSA"]).claims
    assert (told["sub"], told["aud"], told["nonce"], told["tenant"]) == ("olga", "console", "n1", "acme")
    access = jwt.decode(tokens["access_token"], keys, algorithms=["EdDSA"]).claims
    assert access["role"] == "owner"
    assert "dataset-svc" in access["aud"]
    again = await client.post("/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


async def test_a_refresh_token_is_good_once(client: httpx.AsyncClient) -> None:
    form = FORM | {"code": (await chosen(client))["code"][0]}
    first = (await client.post("/token", data=form)).json()["refresh_token"]
    renew = {"grant_type": "refresh_token", "client_id": "console", "refresh_token": first}
    second = (await client.post("/token", data=renew)).raise_for_status().json()["refresh_token"]
    assert second != first
    assert (await client.post("/token", data=renew)).json()["error"] == "invalid_grant"
    stolen = renew | {"refresh_token": second, "client_id": "another"}
    assert (await client.post("/token", data=stolen)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "wrong",
    [{"code_verifier": "b" * 43}, {"client_id": "another"}, {"redirect_uri": "http://127.0.0.1:1/x"}],
)
async def test_a_code_is_no_good_to_anybody_else(client: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    form = FORM | {"code": (await chosen(client))["code"][0]} | wrong
    assert (await client.post("/token", data=form)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://127.0.0.1.evil.example/"},
        {"response_type": "token"},
        {"scope": "profile"},
        {"code_challenge_method": "plain"},
        {"client_id": ""},
    ],
)
async def test_what_is_no_safe_request_is_answered_here(
    client: httpx.AsyncClient, wrong: dict[str, str]
) -> None:
    answer = await client.get("/authorize", params=ASKED | wrong)
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_stranger_is_sent_back_without_a_code(client: httpx.AsyncClient) -> None:
    assert await chosen(client, "mallory") == {"error": ["access_denied"], "state": ["s&1"]}


def test_a_code_grows_old() -> None:
    now = [1000.0]

    def sign(_: Any) -> str:
        return "signed"

    sign_ins = SignIns(ISSUER, ("dialog-svc",), sign, clock=lambda: now[0])
    code = sign_ins.give_code(Asked.of(ASKED), PEOPLE["olga"])
    now[0] += CODE_LIVES_S + 1
    with pytest.raises(RefusedError):
        sign_ins.token(FORM | {"code": code})


async def test_somebody_of_any_other_tenant_can_sign_in(client: httpx.AsyncClient) -> None:
    other = {"tenant": " demo-12 ", "role": "editor"}
    answer = await client.post("/authorize", params=ASKED, data=other)
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    tokens = (await client.post("/token", data=FORM | {"code": back["code"][0]})).raise_for_status().json()
    keys = KeySet.import_key_set((await client.get("/.well-known/jwks.json")).json())
    told = jwt.decode(tokens["access_token"], keys, algorithms=["EdDSA"]).claims
    assert (told["sub"], told["tenant"], told["role"]) == ("dev-editor", "demo-12", "editor")


@pytest.mark.parametrize("form", [{"tenant": "", "role": "owner"}, {"tenant": "t", "role": "root"}, {}])
async def test_nobody_signs_in_as_what_there_is_not(client: httpx.AsyncClient, form: dict[str, str]) -> None:
    answer = await client.post("/authorize", params=ASKED, data=form)
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["access_denied"]


async def test_json_is_a_request_for_a_token_whatever_it_is_called(client: httpx.AsyncClient) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        asked = b'{"tenant": "acme", "role": "owner"}'
        answer = await client.post("/token", content=asked, headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text
