"""The development token issuer."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.issuer.app import create_app
from deploy.issuer.keys import load_or_make
from deploy.stack.settings import ROOT, free_ports

ISSUER = "http://127.0.0.1:18081"


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(load_or_make(tmp_path), ISSUER))
    return httpx.AsyncClient(transport=transport, base_url=ISSUER)


async def decoded(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = (await client.post("/token", json=body)).raise_for_status().json()
    keys = KeySet.import_key_set((await client.get("/.well-known/jwks.json")).json())
    return dict(jwt.decode(answer["access_token"], keys, algorithms=["EdDSA"]).claims)


async def test_a_token_verifies_against_the_published_keys(client: httpx.AsyncClient) -> None:
    claims = await decoded(client, {"tenant": "acme", "role": "owner", "sub": "ann"})
    assert {name: claims[name] for name in ("iss", "tenant", "role", "sub")} == {
        "iss": ISSUER, "tenant": "acme", "role": "owner", "sub": "ann",
    }  # fmt: skip
    assert "dialog-svc" in claims["aud"]
    assert claims["exp"] > claims["iat"]


async def test_scopes_audience_and_lifetime_can_be_chosen(client: httpx.AsyncClient) -> None:
    body = {"tenant": "acme", "scopes": ["curate"], "aud": ["dataset-svc"], "expires_in": -5}
    claims = await decoded(client, body)
    assert (claims["scopes"], claims["aud"], claims["exp"] - claims["iat"]) == (
        ["curate"],
        ["dataset-svc"],
        -5,
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"role": "owner"}',
        b'{"tenant": "acme", "role": "king"}',
        b'{"tenant": 7, "role": "owner"}',
    ],
)
async def test_a_wrong_request_is_refused_in_words(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/token", content=body)
    assert answer.status_code == 400
    assert answer.json()["error_description"]


async def test_only_the_public_half_of_the_key_is_published(client: httpx.AsyncClient) -> None:
    (key,) = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert key["crv"] == "Ed25519"
    assert "d" not in key


async def test_discovery_leads_to_the_keys(client: httpx.AsyncClient) -> None:
    document = (await client.get("/.well-known/openid-configuration")).json()
    assert (document["issuer"], document["jwks_uri"]) == (ISSUER, f"{ISSUER}/.well-known/jwks.json")


def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    assert load_or_make(tmp_path).thumbprint() == load_or_make(tmp_path).thumbprint()
    assert (tmp_path / "signing-key.pem").stat().st_mode & 0o777 == 0o600


def test_it_starts_for_development_only(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "MORTARBOARD_DEV"}
    command = [sys.executable, "-m", "deploy.issuer", "--port", "1", "--state", str(tmp_path)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "MORTARBOARD_DEV=1" in done.stderr) == (1, True)


@pytest.mark.parametrize(("option", "reached"), [((), 0), (("--listen-on-every-interface",), 1)])
def test_only_words_open_it_to_others(tmp_path: Path, option: tuple[str, ...], reached: int) -> None:
    (port,) = free_ports(1)
    name = "http://issuer.localhost:1"
    words = ("--port", str(port), "--state", str(tmp_path), "--name", name, *option)
    issuer = subprocess.Popen(
        [sys.executable, "-P", "-m", "deploy.issuer", *words],
        env={**os.environ, "MORTARBOARD_DEV": "1"},
        cwd=ROOT,
    )
    try:
        described = _ask(f"http://127.0.0.1:{port}")
        assert described is not None
        assert described["issuer"] == name
        # an address of this machine that a listener on 127.0.0.1 does not answer
        assert (_ask(f"http://127.0.0.2:{port}", tries=1) is not None) == reached
    finally:
        issuer.kill()
        issuer.wait()


def _ask(address: str, tries: int = 200) -> dict[str, Any] | None:
    for _ in range(tries):
        try:
            answer = httpx.get(f"{address}/.well-known/openid-configuration", trust_env=False)
            return dict(answer.json())
        except httpx.ConnectError:
            time.sleep(0.05)
    return None
