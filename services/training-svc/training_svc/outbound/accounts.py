"""Opens a run's account at its provider: the pinned address, the pinned version of the key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Any

from chassis.catalogue import Catalogue, is_address_of
from chassis.database import Database
from chassis.untrusted import UnsafeAddressError, check_address
from chassis.vault import SecretId, Vault
from contracts.catalogue import Limits, ProviderEntry
from training_svc.domain.errors import WaitsForOwnerError
from training_svc.domain.run import Run
from training_svc.outbound.provider import Provider
from training_svc.settings import TrainingSettings

if TYPE_CHECKING:
    from openai import DefaultAsyncHttpxClient


REMEMBER = 30.0
MOST_OPEN = 2_000


def _import_client() -> None:
    import openai  # noqa: F401 -- for its effect: later imports of it are quick


def open_account(
    entry: ProviderEntry,
    limits: Limits,
    key: str,
    base_url: str,
    http: DefaultAsyncHttpxClient,
    *,
    timeout: float,
    upload_timeout: float,
) -> Provider:
    """Return an account at a provider, spoken to as its entry in the catalogue says. Times in seconds."""
    from openai import AsyncOpenAI

    class Client(AsyncOpenAI):
        """The official client, with the key in the header of the catalogue: the hook is made for this."""

        async def _prepare_request(self, request: Any) -> None:
            await super()._prepare_request(request)
            del request.headers["Authorization"]
            request.headers.update(entry.auth.headers(key))

    client = Client(api_key=key, base_url=base_url, http_client=http, default_query=dict(entry.query))
    return Provider(client, timeout=timeout, upload_timeout=upload_timeout, entry=entry, limits=limits)


class Accounts:
    """Providers by run. The HTTP client is shared; it follows no redirect and reads no proxy settings."""

    def __init__(self, settings: TrainingSettings, catalogue: Catalogue, database: Database) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._database = database
        self._vault = Vault(settings.keyring())
        self._http: DefaultAsyncHttpxClient | None = None
        self._opened: OrderedDict[tuple[str, ...], tuple[float, Provider]] = OrderedDict()

    async def open(self, run: Run) -> Provider:
        """Return the run's account; raises WaitsForOwnerError when the key or the provider is not there.

        An account is opened anew once it was open for `REMEMBER` seconds: until then a change of the
        catalogue or a lost key goes unnoticed.
        """
        request = run.request
        account = (request.tenant, request.provider, request.key_id, str(run.key_version))
        place = (*account, run.base_url or "", request.base_model)
        opened_at, provider = self._opened.get(place, (0.0, None))
        if provider is None or opened_at < monotonic() - REMEMBER:
            provider = await self._open(run)
            self._opened.pop(place, None)
            self._opened[place] = monotonic(), provider
            if len(self._opened) > MOST_OPEN:
                self._opened.popitem(last=False)
        return provider

    async def _open(self, run: Run) -> Provider:
        # a large import: in a thread, so that the leases of other runs are kept meanwhile
        await asyncio.to_thread(_import_client)
        from openai import DefaultAsyncHttpxClient

        entry = self._catalogue.provider(run.request.provider)
        secret = await self._secret(run)
        if entry is None:
            raise WaitsForOwnerError("provider_unknown")
        if run.base_url is None:
            raise WaitsForOwnerError("address_incomplete")
        allowed = entry.allow_private and is_address_of(entry, run.base_url)
        try:
            await asyncio.to_thread(check_address, run.base_url, allow_private=allowed)
        except UnsafeAddressError:
            raise WaitsForOwnerError("provider_unknown") from None
        if self._http is None:
            self._http = DefaultAsyncHttpxClient(follow_redirects=False, trust_env=False)
        return open_account(
            entry,
            self._catalogue.limits(entry.id, run.request.base_model),
            secret,
            run.base_url,
            self._http,
            timeout=self._settings.provider_timeout,
            upload_timeout=self._settings.upload_timeout,
        )

    async def _secret(self, run: Run) -> str:
        if run.key_version is None:
            raise WaitsForOwnerError("key_missing")
        async with self._database.transaction() as transaction:
            secret = await self._vault.get(
                transaction.connection, SecretId(run.request.tenant, run.request.key_id, run.key_version)
            )
        if secret is None:
            raise WaitsForOwnerError("key_missing")
        return secret

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
