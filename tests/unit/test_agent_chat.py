"""Where agent-svc may connect to."""

from __future__ import annotations

import pytest
from aiohttp.abc import ResolveResult

from agent_svc.outbound.chat import PublicOnly


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], ["169.254.169.254"]]
)
async def test_a_name_with_any_address_that_is_not_public_is_not_called(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = PublicOnly()

    async def found(host: str, port: int, family: int) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in addresses
        ]

    monkeypatch.setattr(resolver._resolver, "resolve", found)
    with pytest.raises(OSError, match="not a public one"):
        await resolver.resolve("provider.example", 443)


async def test_a_public_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = PublicOnly()

    async def found(host: str, port: int, family: int) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="93.184.215.14", port=port, family=family, proto=0, flags=0)
        ]

    monkeypatch.setattr(resolver._resolver, "resolve", found)
    assert [one["host"] for one in await resolver.resolve("provider.example", 443)] == ["93.184.215.14"]
