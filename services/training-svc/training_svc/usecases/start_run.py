"""Take in a request to train: store the intent, pin key and address, publish it at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime

from chassis.catalogue import Catalogue, filled_address
from chassis.database import Transaction
from chassis.envelope import Received
from chassis.objects import ObjectStore
from chassis.observability import current_traceparent
from chassis.untrusted import UnsafeAddressError
from contracts.datasets import DatasetReady
from contracts.datasets import TrainingFile as FileOnWire
from training_svc.domain.acceptance import Offer, refusal
from training_svc.domain.estimate import Estimate, estimate
from training_svc.domain.run import Failure, Request, Run, TrainingFile
from training_svc.outbound import agent_store, model_store, run_store
from training_svc.outbound.agent_store import Agent
from training_svc.outbound.model_store import Model
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
        run = await self._run(transaction, request, received.time)
        settings = settings_sha256(request)
        if not await run_store.insert(transaction.connection, run, settings_sha256=settings):
            run = replace(run, status="failed", failure=Failure("duplicate_run"))
            if not await run_store.insert(transaction.connection, run, settings_sha256=settings):
                return  # this very run is here already
        stored = await run_store.get(transaction.connection, request.tenant, request.run_id)
        if stored is not None:
            publish_change(transaction, None, stored)

    async def _run(self, transaction: Transaction, request: Request, now: datetime) -> Run:
        """Return the run as it begins: to be driven, refused at once, or a file to take away."""
        connection = transaction.connection
        parent = await model_store.by_name(connection, request.tenant, request.provider, request.base_model)
        offer = self._offer(request, parent, now.date())
        cost = self._cost(request, offer)
        agent = await agent_store.get_agent(connection, request.tenant, request.agent_id)
        run = Run(
            request=request,
            created_at=now,
            base_url=pinned_address(self.catalogue, agent, request),
            key_version=agent.key_version(request.key_id) if agent else None,
            parent_run_id=parent.run_id if parent else None,
            root_model=offer.model.id if offer else None,
            price=offer.model.price if offer else None,
            estimate=asdict(cost),
            traceparent=current_traceparent(),
        )
        failure = refusal(request, offer, cost) if offer else Failure("provider_unknown")
        if failure is None and await run_store.is_withdrawn(
            connection, request.tenant, request.dataset_id, request.version
        ):
            failure = Failure("version_withdrawn")
        if failure is not None:
            return replace(run, status="failed", failure=failure)
        takes_away = offer is not None and offer.provider.protocol == "file"
        return replace(run, status="ready", provider_status="file_ready") if takes_away else run

    def _offer(self, request: Request, parent: Model | None, on: date) -> Offer | None:
        provider = self.catalogue.provider(request.provider)
        name = parent.base_model if parent else request.base_model
        model = self.catalogue.base_model(request.provider, name)
        if provider is None or model is None:
            return None
        limits = self.catalogue.limits(request.provider, name)
        return Offer(provider, model, limits, on, self.catalogue.still_training(on))

    def _cost(self, request: Request, offer: Offer | None) -> Estimate:
        return estimate(
            request.training.tokens,
            request.training.examples,
            request.hyperparameters.get("n_epochs"),
            offer.model.price if offer else None,
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
