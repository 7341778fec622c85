"""Asking models: bytes to the provider and back, below the official client, which parses every answer.

No redirects, no proxies, no retries. A name is resolved here and only public addresses are connected to,
unless the operators' catalogue allows more: what was checked is what is called.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from agent_svc.domain.gateway_errors import ProviderRefusalError, outcome_of
from chassis.catalogue import Catalogue, filled_address
from chassis.observability import provider_call
from chassis.untrusted import UnsafeAddressError, check_url

CONNECT = 5.0
FIRST_REFUSAL = 300
MOST_OF_A_REFUSAL = 65_536
WHOLE = 1_048_576
"""Answers up to this many bytes are taken whole before the first byte of them is passed on."""
CODE = re.compile(r"^[a-z][a-z0-9_]{1,63}$")
PARAM = re.compile(r"^[A-Za-z0-9_.\[\]]{1,128}$")
SECONDS = re.compile(r"^[0-9]{1,6}(\.[0-9]{1,6})?$")


@dataclass(frozen=True, slots=True)
class Target:
    """Where and with which headers to ask a provider."""

    provider: str
    base_url: str
    chat_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    allow_private: bool


def target_at(
    catalogue: Catalogue, provider: str, secret: str, variables: Mapping[str, str] | None = None
) -> Target | None:
    """Return how to ask a provider by a key; None when it is not listed, only trains, or lacks a value.

    `variables` are the tenant's values in the address. Only its form is looked at here; the name is looked
    up, and must be public, when it is called.
    """
    entry = catalogue.provider(provider)
    if entry is None or entry.base_url is None:
        return None
    try:
        base_url = filled_address(entry, variables or {})
        check_url(base_url, allow_private=entry.allow_private)
    except UnsafeAddressError:
        return None
    return Target(
        entry.id, base_url, entry.chat_path, entry.query, entry.auth.headers(secret), entry.allow_private
    )


class Answer:
    """An answer that has begun: its first bytes, and those that follow as the provider sends them."""

    def __init__(self, response: aiohttp.ClientResponse, first: bytes, *, ended: bool) -> None:
        self._response = response
        self.first = first
        self.ended = ended
        self.content_type = response.headers.get("content-type", "application/json")
        self.request_id = response.headers.get("x-request-id", "")

    async def rest(self) -> AsyncIterator[bytes]:
        """Yield what follows the first bytes; raises ProviderRefusalError when it breaks off."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise ProviderRefusalError(0) from None

    def close(self) -> None:
        """Stop reading: an answer that was not read to its end gives its connection up."""
        if self.ended:
            self._response.release()
        else:
            self._response.close()


class PublicOnly(AbstractResolver):
    """Resolves names to public addresses; a name that has any other is not known here."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raises OSError when one of them is not public."""
        found = await self._resolver.resolve(host, port, family)
        if not all(ipaddress.ip_address(one["host"]).is_global for one in found):
            raise OSError("the address is not a public one")
        return found

    async def close(self) -> None:
        """Let the resolver go."""
        await self._resolver.close()


class Models:
    """Models at any provider that speaks OpenAI's protocol; `timeout` in seconds between two reads."""

    def __init__(self, timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=timeout)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._urls: dict[tuple[Any, ...], URL] = {}

    async def close(self) -> None:
        """Let the connections go."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, allow_private: bool) -> aiohttp.ClientSession:
        if allow_private not in self._sessions:
            resolver = None if allow_private else PublicOnly()
            self._sessions[allow_private] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver, keepalive_timeout=30),
                timeout=self._timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers={"User-Agent", "Accept-Encoding"},
            )
        return self._sessions[allow_private]

    def _url(self, target: Target) -> URL:
        slot = (target.base_url, target.chat_path, *target.query.items())
        url = self._urls.get(slot)
        if url is None:
            url = self._urls[slot] = _address(target, target.chat_path)
        return url

    async def ask(self, target: Target, body: bytes, *, streamed: bool, patience: float = 0.0) -> Answer:
        """Ask for a chat completion; returns when the answer's first bytes are there, or all of a short one.

        Raises ProviderRefusalError; until then nothing has been passed on, and another may be asked instead.
        """
        session = self._session(allow_private=target.allow_private)
        with provider_call(target.provider, "chat", outcome_of):
            try:
                response = await session.post(
                    self._url(target),
                    data=body,
                    headers={**target.headers, "Content-Type": "application/json"},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=patience) if patience else self._timeout,
                )
                return await self._begun(response, streamed=streamed)
            except (aiohttp.ClientError, TimeoutError, OSError):
                raise ProviderRefusalError(0) from None

    async def end_of(self, target: Target, model: str, patience: float = 10.0) -> date | None:
        """Return the day on which the provider ends a model, None when it names none.

        Raises ProviderRefusalError when the provider does not say.
        """
        url = _address(target, f"/models/{quote(model, safe='')}")
        try:
            async with self._session(allow_private=target.allow_private).get(
                url,
                headers=target.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=patience),
            ) as response:
                if response.status >= FIRST_REFUSAL:
                    raise ProviderRefusalError(response.status)
                body = orjson.loads(await response.content.read(MOST_OF_A_REFUSAL))
                ends = body.get("shutdown_date")
                return date.fromisoformat(ends) if isinstance(ends, str) else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError):
            raise ProviderRefusalError(0) from None

    async def _begun(self, response: aiohttp.ClientResponse, *, streamed: bool) -> Answer:
        done = False
        try:
            if response.status >= FIRST_REFUSAL:
                raise _refusal(response, await response.content.read(MOST_OF_A_REFUSAL))
            first, ended = await _first(response, streamed=streamed)
            if not first:
                raise ProviderRefusalError(0)
            done = True
            return Answer(response, first, ended=ended)
        finally:
            if not done:
                response.close()


def _address(target: Target, path: str) -> URL:
    query = f"?{urlencode(target.query)}" if target.query else ""
    return URL(f"{target.base_url}{path}{query}", encoded=True)


async def _first(response: aiohttp.ClientResponse, *, streamed: bool) -> tuple[bytes, bool]:
    """Return the first bytes and whether they are all."""
    first = await response.content.readany()
    if streamed or not first:
        return first, response.content.at_eof()
    parts, size = [first], len(first)
    while size < WHOLE and not response.content.at_eof():
        parts.append(await response.content.readany())
        size += len(parts[-1])
    return b"".join(parts), response.content.at_eof()


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> ProviderRefusalError:
    """Return the refusal with no more of the provider's words than names."""
    try:
        error = orjson.loads(body)["error"]
        code, param = str(error.get("code") or ""), str(error.get("param") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        code = param = ""
    after = response.headers.get("retry-after", "")
    return ProviderRefusalError(
        # a redirect is no answer: whoever sends one is not the provider that operators listed
        response.status if response.status >= 400 else 0,  # noqa: PLR2004
        code if CODE.match(code) else "",
        param if PARAM.match(param) else "",
        after if SECONDS.match(after) else "",
    )
