"""The provider, through its official client: no redirects, no proxies, keys from the vault only.

The client is imported when a key is first checked: a gateway that only answers does without its memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import DefaultAsyncHttpxClient


class Provider:
    """What a key may do at any provider that speaks OpenAI's protocol. Times in seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._http: DefaultAsyncHttpxClient | None = None

    async def close(self) -> None:
        """Let the connections go."""
        if self._http is not None:
            await self._http.aclose()

    async def check(self, base_url: str, key: str) -> int:
        """Ask what the key may see; returns the HTTP status, 0 when the provider did not answer."""
        from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

        if self._http is None:
            self._http = DefaultAsyncHttpxClient(
                follow_redirects=False, trust_env=False, timeout=Timeout(self._timeout, connect=5.0)
            )
        client = AsyncOpenAI(api_key=key, base_url=base_url, http_client=self._http, max_retries=0)
        try:
            await client.models.list()
        except APIStatusError as error:
            return error.status_code
        except APIConnectionError:
            return 0
        return 200
