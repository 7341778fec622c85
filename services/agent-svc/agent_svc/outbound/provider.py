"""The provider, through its official client: no redirects, no proxies, keys from the vault only."""

from __future__ import annotations

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout


class Provider:
    """What a key may do at any provider that speaks OpenAI's protocol. Times in seconds."""

    def __init__(self, timeout: float) -> None:
        self._http = DefaultAsyncHttpxClient(
            follow_redirects=False, trust_env=False, timeout=Timeout(timeout, connect=5.0)
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    def _client(self, base_url: str, key: str) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=key, base_url=base_url, http_client=self._http, max_retries=0)

    async def check(self, base_url: str, key: str) -> int:
        """Ask what the key may see; returns the HTTP status, 0 when the provider did not answer."""
        try:
            await self._client(base_url, key).models.list()
        except APIStatusError as error:
            return error.status_code
        except APIConnectionError:
            return 0
        return 200
