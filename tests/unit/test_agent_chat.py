"""Where agent-svc may connect to."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.abc import ResolveResult
from pydantic import ValidationError

from agent_svc.outbound.catalogue import read_catalogue
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


@pytest.mark.parametrize(
    "url", ["http://provider.example/v1", "https://10.0.0.1/v1", "https://u:p@provider.example"]
)
def test_a_catalogue_with_an_address_that_must_not_be_called_is_refused(url: str, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(f"providers: [{{id: p, base_url: '{url}'}}]")
    with pytest.raises(ValidationError, match="the address"):
        read_catalogue(catalogue)
