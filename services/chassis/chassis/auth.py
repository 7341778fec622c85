"""Who calls and what they may do: JWTs against a cached key set, roles as sets of scopes."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from chassis.errors import Problem, Text
from chassis.observability import log
from chassis.settings import Settings

ALGORITHMS = ["RS256", "ES256", "EdDSA", "Ed25519"]
REFETCH_EVERY = 5.0
LEEWAY = 30
MAX_TOKEN = 8_192
MAX_TENANT = 128
REMEMBER = 60.0
"""Seconds for which a token is not checked again: a key that the issuer withdraws counts that much longer."""
MOST_REMEMBERED = 4_096

VIEWER = frozenset({"dialogs:read"})
EDITOR = VIEWER | {"curate"}
OWNER = EDITOR | {"dialogs:write", "train", "activate", "keys:write", "agents:write", "chat"}
ROLES = {"viewer": VIEWER, "editor": EDITOR, "owner": OWNER, "operator": frozenset({"operate"})}


@dataclass(frozen=True, slots=True)
class Caller:
    """The one who asks, as the token says; `acting` when a machine acts for this tenant."""

    tenant: str
    subject: str
    scopes: frozenset[str]
    acting: bool = False


def _unauthorized(code: str, en: str, ru: str) -> Problem:
    return Problem(
        401,
        code,
        Text(en, ru),
        action=Text("Sign in again and repeat the request.", "Войдите заново и повторите запрос."),
        headers={"WWW-Authenticate": "Bearer"},
    )


def missing_token() -> Problem:
    """Return the refusal of a request without a bearer token."""
    return _unauthorized("token_missing", "The request carries no token.", "В запросе нет токена.")


def bad_token() -> Problem:
    """Return the refusal of a token that is not valid here; it does not say why, on purpose."""
    return _unauthorized("token_invalid", "The token is not valid here.", "Токен здесь не действует.")


def needs(caller: Caller, scope: str) -> None:
    """Raise a 403 Problem unless the caller has `scope`; a machine that acts for a tenant is noted."""
    if scope not in caller.scopes:
        raise Problem(
            403,
            "scope_missing",
            Text(f"This needs the right {scope}.", f"Для этого нужно право {scope}."),
            action=Text("Ask an owner of the account for it.", "Попросите его у владельца аккаунта."),
        )
    if caller.acting:
        log().info("acts_for_tenant", subject=caller.subject, endpoint=scope)


class Authenticator:
    """Turns a bearer token into a Caller. Keys are cached and refetched at a limited rate."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: KeySet | None = None
        self._fetched = 0.0
        self._lock = asyncio.Lock()
        self._known: OrderedDict[bytes, tuple[float, dict[str, Any]]] = OrderedDict()

    async def caller(self, token: str, acting_for: str = "") -> Caller:
        """Return the caller behind `token`; raises a 401 Problem when it is not valid here.

        `acting_for` is the X-Tenant-Id header, which only tokens with the claim `act_as` may use.
        """
        if not token or len(token) > MAX_TOKEN:
            raise missing_token() if not token else bad_token()
        claims = await self._remembered(token)
        tenant, acting = claims.get("tenant"), False
        if acting_for and claims.get("act_as") is True:
            tenant, acting = acting_for, True
        if not isinstance(tenant, str) or not 1 <= len(tenant) <= MAX_TENANT or "\x00" in tenant:
            raise bad_token()
        return Caller(tenant, str(claims.get("sub", ""))[:256], _scopes(claims), acting)

    async def _remembered(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that was checked moments ago, or check it; never beyond its end."""
        digest = hashlib.sha256(token.encode()).digest()
        until, claims = self._known.get(digest, (0.0, {}))
        if time.time() < until:
            return claims
        claims = await self._claims(token)
        self._known[digest] = (min(float(claims["exp"]), time.time() + REMEMBER), claims)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return claims

    async def _claims(self, token: str) -> dict[str, Any]:
        for attempt in (1, 2):
            keys = await self._key_set(refetch=attempt > 1)
            try:
                claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
                self._registry().validate(claims)
                return dict(claims)
            except JoseError as error:
                if attempt == 1 and type(error).__name__ in {"InvalidKeyIdError", "BadSignatureError"}:
                    continue
                raise bad_token() from None
            except ValueError:
                if attempt == 1:
                    continue
                raise bad_token() from None
        raise bad_token()

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.service},
            exp={"essential": True},
        )

    async def _key_set(self, *, refetch: bool) -> KeySet:
        async with self._lock:
            stale = self._keys is None or refetch
            if stale and (self._keys is None or time.monotonic() - self._fetched > REFETCH_EVERY):
                self._fetched = time.monotonic()
                self._keys = await self._fetch() or self._keys
            if self._keys is None:
                raise Problem(
                    503,
                    "issuer_unreachable",
                    Text("Tokens cannot be checked at the moment.", "Сейчас нельзя проверить токен."),
                    action=Text("Try again in a minute.", "Повторите через минуту."),
                )
            return self._keys

    async def _fetch(self) -> KeySet | None:
        try:
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                answer = await client.get(self._settings.jwks_url)
                answer.raise_for_status()
                return KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, JoseError, ValueError, KeyError):
            return None


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    scopes = claims.get("scopes")
    listed = (
        frozenset(item for item in scopes if isinstance(item, str))
        if isinstance(scopes, list)
        else frozenset()
    )
    role = claims.get("role")
    return listed | (ROLES.get(role, frozenset()) if isinstance(role, str) else frozenset())
