"""Asking models: bytes to the provider and back, below the official client, which parses every answer.

No redirects, no proxies, no retries. A name is resolved here and only public addresses are connected to,
unless the operators' catalogue allows more: what was checked is what is called.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from agent_svc.domain.errors import provider_refused

CONNECT = 5.0
UNREACHABLE = 503
FIRST_REFUSAL = 300


@dataclass(frozen=True, slots=True)
class Streaming:
    """An answer that has begun: its bytes as the provider sends them."""

    content_type: str
    request_id: str
    chunks: AsyncIterator[bytes]


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

    @asynccontextmanager
    async def answer(
        self, base_url: str, key: str, body: dict[str, Any], *, allow_private: bool
    ) -> AsyncIterator[Streaming]:
        """Ask for a chat completion and pass its bytes through; raises a Problem when refused."""
        session = self._session(allow_private=allow_private)
        try:
            async with session.post(
                URL(f"{base_url}/chat/completions", encoded=True),
                data=orjson.dumps(body),
                headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                if response.status >= FIRST_REFUSAL:
                    raise provider_refused(response.status)
                yield Streaming(
                    response.headers.get("content-type", "application/json"),
                    response.headers.get("x-request-id", ""),
                    response.content.iter_any(),
                )
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise provider_refused(UNREACHABLE) from None
