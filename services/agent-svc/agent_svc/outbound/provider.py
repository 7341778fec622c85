"""The provider, through its official client: no redirects, no proxies, keys from the vault only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from agent_svc.domain.errors import provider_refused


@dataclass(frozen=True, slots=True)
class Streaming:
    """An answer that has begun: its bytes as the provider sends them."""

    content_type: str
    request_id: str
    chunks: AsyncIterator[bytes]


class Provider:
    """Asks models at any provider that speaks OpenAI's protocol. Times in seconds."""

    def __init__(self, timeout: float) -> None:
        self._http = DefaultAsyncHttpxClient(
            follow_redirects=False, trust_env=False, timeout=Timeout(timeout, connect=5.0)
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    def _client(self, base_url: str, key: str) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=key, base_url=base_url, http_client=self._http, max_retries=0)

    @asynccontextmanager
    async def answer(self, base_url: str, key: str, body: dict[str, Any]) -> AsyncIterator[Streaming]:
        """Ask for a chat completion and pass its bytes through; raises a Problem when refused."""
        rest = {name: value for name, value in body.items() if name not in {"messages", "model"}}
        completions = self._client(base_url, key).chat.completions
        try:
            async with completions.with_streaming_response.create(
                messages=body["messages"], model=body["model"], extra_body=rest
            ) as response:
                yield Streaming(
                    response.headers.get("content-type", "application/json"),
                    response.headers.get("x-request-id", ""),
                    response.iter_bytes(),
                )
        except APIStatusError as error:
            raise provider_refused(error.status_code) from None
        except APIConnectionError:
            raise provider_refused(503) from None

    async def check(self, base_url: str, key: str) -> int:
        """Ask what the key may see; returns the HTTP status, 0 when the provider did not answer."""
        try:
            await self._client(base_url, key).models.list()
        except APIStatusError as error:
            return error.status_code
        except APIConnectionError:
            return 0
        return 200
