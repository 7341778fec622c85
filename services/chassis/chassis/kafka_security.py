"""TLS and SASL of Kafka clients: certificates, passwords and tokens as they are when a connection is made."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient

from chassis.kafka_settings import KafkaSettings
from chassis.secret import Read

Client = TypeVar("Client", AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient)

TOKEN_DEADLINE = 5.0
USED_SHARE = 0.8
"""Of a token's life: after it the next connection gets another one."""


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments that make an aiokafka client connect as the settings say; `follow` keeps it so."""
    arguments: dict[str, Any] = {"security_protocol": settings.kafka_security}
    if settings.encrypts:
        arguments["ssl_context"] = FollowingContext.of(
            settings.kafka_ca_file, settings.kafka_cert_file, settings.kafka_key_file
        )
    if settings.authenticates:
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            arguments["sasl_oauth_token_provider"] = Tokens.of(settings)
        else:
            arguments["sasl_plain_username"] = settings.kafka_username
            arguments["sasl_plain_password"] = settings.kafka_password_now()
    return arguments


def follow(made: Client, settings: KafkaSettings) -> Client:
    """Return the client, which from now on takes its password anew for each connection."""
    if settings.authenticates and settings.kafka_password_file:
        client = made.client if isinstance(made, AIOKafkaProducer) else made._client
        client.__class__ = _Following
        client.password_now = settings.kafka_password_now
    return made


class _Following(AIOKafkaClient):  # type: ignore[misc]
    """aiokafka keeps the password that it was made with and has no other place to ask for one."""

    password_now: Read

    @property
    def _sasl_plain_password(self) -> str:
        return self.password_now()


class FollowingContext(ssl.SSLContext):
    """A client's TLS context that reads certificate, key and CA again for each connection."""

    _ca: Path | None
    _cert: Path | None
    _key: Path | None

    @classmethod
    def of(cls, ca: Path | None, cert: Path | None, key: Path | None) -> Self:
        """Return a context of these files (PEM); without a CA the system's list is asked."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._ca, context._cert, context._key = ca, cert, key
        return context

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection with the files as they are now; raises OSError when they cannot be used."""
        current = ssl.create_default_context(cafile=str(self._ca) if self._ca else None)
        if self._cert:
            current.load_cert_chain(self._cert, self._key)
        return current.wrap_bio(*arguments, **named)


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for OAUTHBEARER by client credentials, one at a time for all clients of this process."""

    _made: dict[tuple[str, str, str | None], Tokens] = {}  # noqa: RUF012 -- shared on purpose

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    @classmethod
    def of(cls, settings: KafkaSettings) -> Tokens:
        """Return this process's provider for these settings."""
        slot = (settings.kafka_token_url or "", settings.kafka_client_id or "", settings.kafka_token_scope)
        return cls._made.setdefault(slot, cls(settings))

    async def token(self) -> str:
        """Return a token with at least a fifth of its life before it; raises OSError when there is none."""
        async with self._asking:
            if time.monotonic() >= self._until:
                await self._ask()
            return self._token

    async def _ask(self) -> None:
        settings = self._settings
        form = {"grant_type": "client_credentials"}
        if settings.kafka_token_scope:
            form["scope"] = settings.kafka_token_scope
        who = httpx.BasicAuth(settings.kafka_client_id or "", settings.kafka_client_secret_now())
        asked = time.monotonic()
        try:
            trusted = ssl.create_default_context()  # the system's list, or SSL_CERT_FILE
            async with httpx.AsyncClient(timeout=TOKEN_DEADLINE, trust_env=False, verify=trusted) as client:
                answer = await client.post(settings.kafka_token_url or "", data=form, auth=who)
            answer.raise_for_status()
            body = answer.json()
            self._token, lives = str(body["access_token"]), float(body.get("expires_in", 60))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            status = f" {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
            raise TokenRefusedError(
                f"no token from {settings.kafka_token_url}: {type(error).__name__}{status}"
            ) from None
        self._until = asked + lives * USED_SHARE


class TokenRefusedError(OSError):
    """The issuer gave no token; the text says which, and how it answered."""
