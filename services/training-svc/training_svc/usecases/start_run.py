"""Take in a request to train: store the intent, pin key and address, publish it at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from chassis.catalogue import Catalogue, filled_address
from chassis.database import Transaction
from chassis.envelope import Received
from chassis.objects import ObjectStore
from chassis.untrusted import UnsafeAddressError
from contracts.catalogue import BaseModelEntry
from contracts.datasets import DatasetReady
from contracts.datasets import TrainingFile as FileOnWire
from training_svc.domain.estimate import estimate
from training_svc.domain.run import Failure, Request, TrainingFile
from training_svc.outbound import agent_store, run_store
from training_svc.outbound.agent_store import Agent
from training_svc.usecases.publish_status import publish_change


@dataclass(frozen=True, slots=True)
class StartRun:
    """What a run is checked against before it is accepted."""

    catalogue: Catalogue
    objects: ObjectStore

    async def __call__(self, received: Received[DatasetReady], transaction: Transaction) -> None:
        """Store the run. No provider is called here; a driver does that."""
        request = request_of(received.event, received.tenant)
        for file in (request.training, request.validation):
            if file is not None:
                self.objects.check(file.uri, request.tenant)
        code = await self._refusal(transaction, request)
        settings = settings_sha256(request)
        if code is None and not await self._insert(transaction, request, settings):
            code = "duplicate_run"
        if code is not None and not await run_store.insert_failed(
            transaction.connection, request, settings_sha256=settings, failure=Failure(code)
        ):
            return  # this very run is here already
        run = await run_store.get(transaction.connection, request.tenant, request.run_id)
        if run is not None:
            publish_change(transaction, None, run)

    async def _refusal(self, transaction: Transaction, request: Request) -> str | None:
        model = self.catalogue.base_model(request.provider, request.base_model)
        if model is None:
            return "provider_unknown"
        if (code := budget_refusal(request, model)) is not None:
            return code
        withdrawn = await run_store.is_withdrawn(
            transaction.connection, request.tenant, request.dataset_id, request.version
        )
        return "version_withdrawn" if withdrawn else None

    async def _insert(self, transaction: Transaction, request: Request, settings: str) -> bool:
        agent = await agent_store.get_agent(transaction.connection, request.tenant, request.agent_id)
        return await run_store.insert(
            transaction.connection,
            request,
            settings_sha256=settings,
            base_url=pinned_address(self.catalogue, agent, request),
            key_version=agent.key_version(request.key_id) if agent else None,
        )


def pinned_address(catalogue: Catalogue, agent: Agent | None, request: Request) -> str | None:
    """Return the address that the run will use; None while the agent's key does not say all that it needs."""
    provider = catalogue.provider(request.provider)
    if provider is None or (provider.variables and agent is None):
        return None
    try:
        return filled_address(provider, agent.variables(request.key_id) if agent else {})
    except UnsafeAddressError:
        return None


def request_of(event: DatasetReady, tenant: str) -> Request:
    """Return the request that an event carries."""
    files = event.files
    plain = event.model_dump(mode="json", exclude={"files"})
    return Request(
        tenant=tenant,
        training=_file(files.training),
        validation=_file(files.validation) if files.validation else None,
        **plain,
    )


def _file(file: FileOnWire) -> TrainingFile:
    return TrainingFile(**file.model_dump())


def settings_sha256(request: Request) -> str:
    """Return what two requests for the same training have in common, besides version and provider."""
    settings = [request.base_model, request.method, request.hyperparameters, request.suffix, request.seed]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def budget_refusal(request: Request, model: BaseModelEntry) -> str | None:
    """Return why the owner's budget forbids the run: even the least cost is above it, or none is known."""
    if request.budget_microdollars is None:
        return None
    asked = request.hyperparameters.get("n_epochs")
    cost = estimate(request.training.tokens, request.training.examples, asked, model.price)
    if cost.low_microdollars is None:
        return "price_unknown"
    return "over_budget" if cost.low_microdollars > request.budget_microdollars else None
