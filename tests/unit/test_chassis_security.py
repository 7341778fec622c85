"""Sealed secrets, function schemas and addresses from tenants, tokens."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey

from chassis.auth import LEEWAY, REMEMBER, Authenticator
from chassis.errors import Problem
from chassis.keyring import Keyring, MasterKeyUnknownError, master_key_id, parse_keys
from chassis.settings import Settings
from chassis.untrusted import (
    UnsafeAddressError,
    UnsafeSchemaError,
    check_address,
    check_schema,
    fill_template,
    schema_errors,
)
from chassis.vault import SealBrokenError, SecretId, fingerprint, seal, unseal

MASTER = Keyring.of(b"m" * 32)
PLACE = SecretId("acme", "0190", 1)


def test_a_secret_opens_only_where_it_was_sealed() -> None:
    sealed = seal(MASTER, PLACE, "sk-secret")
    assert b"sk-secret" not in sealed
    assert unseal(MASTER, PLACE, sealed) == "sk-secret"
    elsewhere = [SecretId("globex", "0190", 1), SecretId("acme", "0191", 1), SecretId("acme", "0190", 2)]
    for place in elsewhere:
        with pytest.raises(SealBrokenError):
            unseal(MASTER, place, sealed)
    with pytest.raises(SealBrokenError):
        unseal(MASTER, PLACE, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(MasterKeyUnknownError):
        unseal(Keyring.of(b"n" * 32), PLACE, sealed)
    mine, other = "aa" * 32, "bb" * 32
    assert fingerprint(mine, "a") == fingerprint(mine, "a") != fingerprint(mine, "b")
    assert fingerprint(mine, "a") != fingerprint(other, "a")


def test_a_newer_master_key_seals_and_older_ones_still_open() -> None:
    old, new = b"m" * 32, b"n" * 32
    sealed = seal(Keyring.of(old), PLACE, "sk-secret")
    both = Keyring.of(new, old)
    assert unseal(both, PLACE, sealed) == "sk-secret"
    again = seal(both, PLACE, "sk-secret")
    assert again[1:9] == master_key_id(new)
    assert unseal(Keyring.of(new), PLACE, again) == "sk-secret"


def test_a_keyring_reads_its_file_again_for_a_key_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = base64.b64encode(b"m" * 32).decode(), base64.b64encode(b"n" * 32).decode()
    file = tmp_path / "keys"
    file.write_text(f"{old}  # of spring\n")
    ring = Keyring.of_file(file)
    sealed = seal(Keyring.of(b"n" * 32), PLACE, "sk-secret")
    file.write_text(f"# two\n{new}\n{old}\n")
    monkeypatch.setattr("chassis.keyring.LOOK_AGAIN", -1.0)
    assert unseal(ring, PLACE, sealed) == "sk-secret"
    assert ring.newest[1] == b"n" * 32
    file.write_text("not base64!")
    ring.refresh()
    assert unseal(ring, PLACE, sealed) == "sk-secret"


@pytest.mark.parametrize("text", ["", "# none", "not base64!", base64.b64encode(b"short").decode()])
def test_master_keys_are_32_bytes_in_base64(text: str) -> None:
    with pytest.raises(ValueError, match=r"32 bytes|base64|Non-base64|character|padding"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"a": {"$ref": "http://evil/x"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"pattern": r"(?=x)"}}}, "/properties/a/pattern"),
        ({"type": "no such type"}, "/type"),
    ],
)
def test_an_unsafe_schema_is_refused_with_its_place(schema: dict[str, Any], path: str) -> None:
    with pytest.raises(UnsafeSchemaError) as raised:
        check_schema(schema)
    assert raised.value.path == path


def test_a_schema_that_is_too_deep_or_too_large_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"properties": {"a": deep}}
    wide = {"properties": {f"p{number}": {"type": "string"} for number in range(4_000)}}
    for schema in (deep, wide):
        with pytest.raises(UnsafeSchemaError, match="too deep or too large"):
            check_schema(schema)


def test_a_catastrophic_pattern_is_matched_in_linear_time() -> None:
    schema = {"properties": {"a": {"pattern": r"^(a+)+$"}}, "patternProperties": {r"^(b+)+$": False}}
    check_schema(schema)
    # a backtracking engine would not come back from these within the test's time limit
    assert schema_errors(schema, {"a": "a" * 5_000 + "!"}) == [("a", "pattern")]
    assert schema_errors(schema, {"b" * 5_000 + "!": 1}) == []
    assert schema_errors(schema, {"a": "aaa"}) == []


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "https://127.0.0.1/v1", "https://[::1]/", "https://10.0.0.1", "https://u:p@1.1.1.1",
     "ftp://1.1.1.1", "https://169.254.169.254/latest"],
)  # fmt: skip
def test_addresses_that_must_not_be_called_are_refused(url: str) -> None:
    with pytest.raises(UnsafeAddressError):
        check_address(url)


def test_operators_may_allow_a_private_address_and_tenants_only_fill_templates() -> None:
    assert check_address("https://1.1.1.1/v1")
    assert check_address("http://127.0.0.1:8080/v1", allow_private=True)
    assert fill_template("https://{resource}.azure.example/", {"resource": "my-shop"})
    with pytest.raises(UnsafeAddressError):
        fill_template("https://{resource}.azure.example/", {"resource": "evil.com/x?"})


KEY = OKPKey.generate_key("Ed25519", {"kid": "k1", "use": "sig"}, private=True)
CLAIMS = {"iss": "https://issuer", "aud": ["service"], "tenant": "acme", "sub": "olga", "role": "editor"}


class Known(Authenticator):
    """An authenticator whose issuer answers from memory."""

    fetches = 0

    async def _fetch(self) -> KeySet | None:
        self.fetches += 1
        return KeySet([OKPKey.import_key(KEY.as_dict(private=False))])


@pytest.fixture
def authenticator() -> Known:
    url: Any = "postgresql://u:p@h/db"
    return Known(
        Settings(
            database_url=url,
            database_http_url=url,
            objects_url="file:///tmp/x",
            issuer="https://issuer",
            dev=True,
        )
    )


def signed(key: Any = KEY, algorithm: str = "EdDSA", **changes: Any) -> str:
    claims = CLAIMS | {"exp": int(time.time()) + 60} | changes
    header = {"alg": algorithm, "kid": "k1"}
    return jwt.encode(header, {k: v for k, v in claims.items() if v is not None}, key, algorithms=[algorithm])


async def test_a_good_token_gives_tenant_and_scopes(authenticator: Known) -> None:
    caller = await authenticator.caller(signed())
    assert (caller.tenant, caller.subject) == ("acme", "olga")
    assert caller.scopes == {"dialogs:read", "curate"}


@pytest.mark.parametrize(
    "changes",
    [{"exp": 1}, {"exp": None}, {"iss": "https://other"}, {"aud": ["other"]}, {"aud": None}, {"tenant": None},
     {"tenant": ""}, {"tenant": ["acme"]}],
)  # fmt: skip
async def test_a_token_that_is_not_for_us_is_refused(authenticator: Known, changes: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        await authenticator.caller(signed(**changes))
    assert raised.value.status == 401


async def test_only_asymmetric_algorithms_are_taken(authenticator: Known) -> None:
    secret = OctKey.import_key("k" * 32)
    for token in (signed(secret, "HS256"), signed()[:-8] + "AAAAAAAA", "a.b.c", "x" * 9_000):
        with pytest.raises(Problem) as raised:
            await authenticator.caller(token)
        assert raised.value.status == 401


async def test_an_unknown_key_asks_the_issuer_again_at_a_limited_rate(authenticator: Known) -> None:
    stranger = OKPKey.generate_key("Ed25519", {"kid": "k2"}, private=True)
    for _ in range(10):
        with pytest.raises(Problem):
            await authenticator.caller(signed(stranger))
    assert authenticator.fetches == 1


async def test_a_machine_acts_for_a_tenant_only_with_the_claim(authenticator: Known) -> None:
    plain = await authenticator.caller(signed(), acting_for="globex")
    machine = await authenticator.caller(signed(act_as=True), acting_for="globex")
    assert (plain.tenant, plain.acting) == ("acme", False)
    assert (machine.tenant, machine.acting) == ("globex", True)


async def test_a_token_that_was_checked_is_remembered_but_never_beyond_its_end(
    authenticator: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0
    check = authenticator._claims

    async def counted(token: str) -> dict[str, Any]:
        nonlocal checks
        checks += 1
        return await check(token)

    monkeypatch.setattr(authenticator, "_claims", counted)
    began = time.time()
    token, longer = signed(exp=int(began) + 40), signed(exp=int(began) + 4_000)
    for _ in range(3):
        await authenticator.caller(token)
        await authenticator.caller(longer)
    assert checks == 2
    monkeypatch.setattr(time, "time", lambda: began + REMEMBER + 1)
    await authenticator.caller(longer)
    assert checks == 3
    monkeypatch.setattr(time, "time", lambda: began + 40 + LEEWAY + 2)
    with pytest.raises(Problem):
        await authenticator.caller(token)


async def test_a_token_that_was_refused_is_not_remembered(authenticator: Known) -> None:
    with pytest.raises(Problem):
        await authenticator.caller(signed(aud=["other"]))
    assert not authenticator._known


def test_what_is_sealed_follows_the_key_file_within_a_minute(tmp_path: Path) -> None:
    # so a console seals new sessions by the new key, and the old one can go when the old sessions have ended
    old, new, now = os.urandom(32), os.urandom(32), [0.0]
    file = tmp_path / "master"
    file.write_text(base64.b64encode(old).decode())
    ring = Keyring.of_file(file, lambda: now[0])
    place = SecretId("acme", "session", 1)
    before = seal(ring, place, "token")
    file.write_text(f"{base64.b64encode(new).decode()}\n{base64.b64encode(old).decode()}")
    assert ring.newest[1] == old
    now[0] = 61.0
    after = seal(ring, place, "token")
    assert ring.newest[1] == new
    assert unseal(ring, place, before) == unseal(ring, place, after) == "token"
    file.unlink()
    now[0] = 200.0
    assert ring.newest[1] == new, "a file that is away for a moment changes nothing"
