"""The issuer, by OpenID Connect: where to send the browser, and what its code is worth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from chassis.auth import ALGORITHMS, LEEWAY
from chassis.errors import Permanent, Transient
from console_svc.domain.session import Tokens
from console_svc.settings import ConsoleSettings

SCOPE = "openid profile offline_access"
DISCOVER_AGAIN = 600.0
DEADLINE = 10.0
BUSY = frozenset({"server_error", "temporarily_unavailable"})
"""What an issuer says that knows nothing against this person (RFC 6749, section 4.1.2.1)."""


class IssuerUnavailableError(Transient):
    """The issuer gives no answer."""


class SignInRefusedError(Permanent):
    """The issuer, or what it sent, does not let this person in."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, as the id token says."""

    tenant: str
    subject: str
    name: str
    role: str


class Identity:
    """The console as a client of the issuer; its description is looked up and kept for a while."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(timeout=DEADLINE, trust_env=False, follow_redirects=False)
        self._known: dict[str, Any] = {}
        self._looked = 0.0
        self._lock = asyncio.Lock()

    @property
    def _back(self) -> str:
        return f"{self._settings.public_url.rstrip('/')}/sign-in/back"

    def _client(self) -> AsyncOAuth2Client:
        secret = self._settings.client_secret_now()
        return AsyncOAuth2Client(
            self._settings.client_id,
            secret or None,
            scope=SCOPE,
            redirect_uri=self._back,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            timeout=DEADLINE,
            trust_env=False,
        )

    async def way_there(self, state: str, nonce: str, verifier: str) -> str:
        """Return the address to send the browser to; raises IssuerUnavailableError."""
        known = await self._described()
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                known["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    async def take_code(self, code: str, verifier: str, nonce: str) -> tuple[Person, Tokens]:
        """Exchange a code; raises SignInRefusedError or IssuerUnavailableError."""
        answer = await self._token(grant_type="authorization_code", code=code, code_verifier=verifier)
        person = await self._person(str(answer.get("id_token", "")), nonce)
        return person, _tokens(answer, "")

    async def renew(self, refresh: str) -> Tokens:
        """Exchange a refresh token; raises SignInRefusedError or IssuerUnavailableError."""
        return _tokens(await self._token(grant_type="refresh_token", refresh_token=refresh), refresh)

    async def _token(self, **form: str) -> Mapping[str, Any]:
        known = await self._described()
        try:
            async with self._client() as client:
                if form["grant_type"] == "refresh_token":
                    answer = await client.refresh_token(known["token_endpoint"], form["refresh_token"])
                else:
                    answer = await client.fetch_token(known["token_endpoint"], **form)
        except OAuthError as error:
            if error.error in BUSY:
                raise IssuerUnavailableError(f"the issuer says {error.error}") from None
            raise SignInRefusedError(f"the issuer says {error.error}"[:200]) from None
        except (httpx.HTTPError, ValueError):
            raise IssuerUnavailableError("no answer from the issuer's token endpoint") from None
        if not answer.get("access_token"):
            raise SignInRefusedError("the issuer gave no access token")
        return dict(answer)

    async def _person(self, id_token: str, nonce: str) -> Person:
        """Return whom an id token names, once it is known to be the issuer's, for us, and of this sign-in."""
        try:
            described = await self._get((await self._described())["jwks_uri"])
            keys = KeySet.import_key_set(cast(Any, described))
            claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": self._settings.issuer},
                aud={"essential": True, "value": self._settings.client_id},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError):
            raise SignInRefusedError("the id token is not valid here") from None
        tenant, subject = claims.get("tenant"), claims.get("sub")
        if not (isinstance(tenant, str) and tenant and isinstance(subject, str) and subject):
            raise SignInRefusedError("the id token names no tenant or no subject")
        return Person(
            tenant, subject, str(claims.get("name") or subject)[:200], str(claims.get("role", ""))[:32]
        )

    async def _described(self) -> dict[str, Any]:
        """Return the issuer's own description."""
        async with self._lock:
            if not self._known or time.monotonic() - self._looked > DISCOVER_AGAIN:
                url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = await self._get(url)
                if found.get("issuer") != self._settings.issuer:
                    raise IssuerUnavailableError("the issuer describes itself under another name")
                self._known, self._looked = found, time.monotonic()
        return self._known

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = (await self._http.get(url)).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise IssuerUnavailableError("no answer from the issuer") from None
        if not isinstance(answer, dict):
            raise IssuerUnavailableError("no answer from the issuer that can be read")
        return answer

    async def close(self) -> None:
        """Let connections go."""
        await self._http.aclose()


def _tokens(answer: Mapping[str, Any], before: str) -> Tokens:
    seconds = float(answer.get("expires_in") or 300)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return Tokens(str(answer["access_token"]), str(answer.get("refresh_token") or before), until)
