"""Opens a run's account at its provider: the pinned address, the pinned version of the key."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from chassis.database import Database
from chassis.untrusted import UnsafeAddressError, check_address
from chassis.vault import SecretId, Vault
from training_svc.domain.errors import WaitsForOwnerError
from training_svc.domain.run import Run
from training_svc.outbound.catalogue import Catalogue
from training_svc.outbound.provider import Provider
from training_svc.settings import TrainingSettings

if TYPE_CHECKING:
    from openai import DefaultAsyncHttpxClient


class Accounts:
    """Providers by run. The HTTP client is shared; it follows no redirect and reads no proxy settings."""

    def __init__(self, settings: TrainingSettings, catalogue: Catalogue, database: Database) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._database = database
        self._vault = Vault(settings.keyring())
        self._http: DefaultAsyncHttpxClient | None = None

    async def open(self, run: Run) -> Provider:
        """Return the run's account; raises WaitsForOwnerError when the key or the provider is not there."""
        # a large import: in a thread, so that the leases of other runs are kept meanwhile
        await asyncio.to_thread(import_module, "openai")
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        entry = self._catalogue.provider(run.request.provider)
        secret = await self._secret(run)
        if entry is None or run.base_url is None:
            raise WaitsForOwnerError("provider_unknown")
        allowed = entry.allow_private and entry.base_url == run.base_url
        try:
            await asyncio.to_thread(check_address, run.base_url, allow_private=allowed)
        except UnsafeAddressError:
            raise WaitsForOwnerError("provider_unknown") from None
        if self._http is None:
            self._http = DefaultAsyncHttpxClient(follow_redirects=False, trust_env=False)
        return Provider(
            AsyncOpenAI(api_key=secret, base_url=run.base_url, http_client=self._http),
            timeout=self._settings.provider_timeout,
            upload_timeout=self._settings.upload_timeout,
            top_level=entry.hyperparameters == "top_level",
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
