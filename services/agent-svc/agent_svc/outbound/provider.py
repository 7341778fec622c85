"""What a provider says of a key, asked by reading only: nothing is uploaded, nothing is started.

No redirects, no proxies, no retries; only public addresses unless the operators' catalogue allows more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import aiohttp
import orjson
from yarl import URL

from agent_svc.domain.key import Probe
from agent_svc.outbound.chat import PublicOnly
from chassis.catalogue import filled_address
from contracts.catalogue import ProviderEntry

READABLE = ("files?purpose=fine-tune&limit=1", "fine_tuning/jobs?limit=1")
"""What a key that trains must be able to read."""
MAX_ANSWER = 4_194_304
UNAUTHORIZED = 401
OK = 200
_SCOPE = re.compile(r"missing scopes?:\s*([a-z0-9_.]+[a-z0-9_])", re.IGNORECASE)
Answer = tuple[int, Any, str | None]
"""Status (0: none), JSON body, organisation."""


class Account(NamedTuple):
    """Where a key is asked about."""

    entry: ProviderEntry
    base_url: str
    key: str


class Provider:
    """Asks what a key may do, at any provider that speaks OpenAI's protocol. Times in seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=5.0)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Let the connections go."""
        for session in self._sessions.values():
            await session.close()

    async def probe(
        self, entry: ProviderEntry, variables: Mapping[str, str], key: str, models: Iterable[str] = ()
    ) -> Probe:
        """Return what the provider says of `key`; `models` are also asked for by name when not listed.

        `variables` complete its address; raises UnsafeAddressError for one that they do not complete.
        """
        account = Account(entry, filled_address(entry, variables), key)
        status, body, organisation = await self._get(account, "models")
        scope = missing_scope(status, body)
        if status == UNAUTHORIZED and scope is None:
            return Probe(reached=True, refused=True)
        listed = _ids(body) if status == OK else None
        if listed is not None:
            listed |= {one for one in models if one not in listed and await self._has(account, one)}
        for path in READABLE:
            if scope is None and status:
                refused, answer, _ = await self._get(account, path)
                scope = missing_scope(refused, answer)
        return Probe(
            reached=bool(status) and (listed is not None or scope is not None),
            missing_scope=scope,
            listed=frozenset(listed) if listed is not None else None,
            organisation=organisation,
        )

    async def _has(self, account: Account, model: str) -> bool:
        status, _, _ = await self._get(account, f"models/{URL.build(path=model).raw_path}")
        return status == OK

    def _session(self, *, allow_private: bool) -> aiohttp.ClientSession:
        if allow_private not in self._sessions:
            resolver = None if allow_private else PublicOnly()
            self._sessions[allow_private] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=20, resolver=resolver),
                timeout=self._timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[allow_private]

    async def _get(self, account: Account, path: str) -> Answer:
        entry = account.entry
        session = self._session(allow_private=entry.allow_private)
        address = URL(f"{account.base_url}/{path}", encoded=True).update_query(entry.query)
        try:
            async with session.get(
                address,
                headers=entry.auth.headers(account.key),
                allow_redirects=False,
            ) as response:
                organisation = response.headers.get(entry.organisation_header or "", "")[:256] or None
                return response.status, await _json(response), organisation
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, None, None


async def _json(response: aiohttp.ClientResponse) -> Any:
    """Return the body, None where it is no JSON or larger than any list of models."""
    try:
        data = await response.content.readexactly(MAX_ANSWER)
    except asyncio.IncompleteReadError as whole:
        data = whole.partial
    try:
        return orjson.loads(data) if len(data) < MAX_ANSWER else None
    except ValueError:
        return None


def missing_scope(status: int, body: Any) -> str | None:
    """Return the scope that a restricted key lacks, by the provider's name; "" when it does not say which."""
    if status not in (UNAUTHORIZED, 403) or not isinstance(body, dict):
        return None
    error = body.get("error")
    message = str(error.get("message", "")) if isinstance(error, dict) else ""
    found = _SCOPE.search(message)
    if found is not None:
        return found.group(1)[:128]
    return "" if "insufficient permissions" in message.lower() else None


def _ids(body: Any) -> set[str]:
    data = body.get("data") if isinstance(body, dict) else None
    rows = data if isinstance(data, list) else []
    return {str(one["id"]) for one in rows if isinstance(one, dict) and "id" in one}
