"""HTTP: what can be trained, where, at what price and until when; and what a training would cost."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep, language
from contracts.catalogue import BaseModelEntry, ProviderEntry
from training_svc.domain.errors import no_base_model
from training_svc.domain.estimate import estimate
from training_svc.inbound.parameters import AgentId, Body, Word
from training_svc.outbound import agent_store
from training_svc.outbound.agent_store import Agent

KEY_SHOWN = ("key_id", "version", "last4", "training", "infer", "because", "checked_at")


class Hyperparameters(Body):
    """What the cost depends on."""

    n_epochs: Annotated[int, Field(ge=1, le=1_000)] | str | None = None


class EstimateBody(Body):
    """What would be trained."""

    base_model: Word
    provider: Word | None = None
    tokens: Annotated[int, Field(ge=0, le=10**12)]
    examples: Annotated[int, Field(ge=0, le=10**9)]
    hyperparameters: Hyperparameters = Hyperparameters()


def add_endpoints(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    """Add `GET /v1/base-models` and `POST /v1/estimates`."""

    @routes.get("/v1/base-models")
    async def list_base_models(
        request: Request, caller: CallerDep, agent_id: AgentId = None
    ) -> dict[str, Any]:
        """List the base models and their providers: prices, limits, dates, what the agent's key can do."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent = await agent_store.get_agent(transaction.connection, caller.tenant, agent_id or "")
        spoken, today = language(request), datetime.now(UTC).date()
        return {
            "items": [_base_model(one, catalogue, agent, spoken, today) for one in catalogue.base_models],
            "providers": [_provider(one, agent, spoken, today) for one in catalogue.providers],
        }

    @routes.post("/v1/estimates")
    async def estimate_cost(caller: CallerDep, body: EstimateBody) -> dict[str, Any]:  # noqa: ARG001
        """Return what a training would cost, as a range, with the epochs and the price behind it."""
        providers = [body.provider] if body.provider else [one.id for one in catalogue.providers]
        found = (catalogue.base_model(name, body.base_model) for name in providers)
        model = next((one for one in found if one is not None), None)
        if model is None:
            raise no_base_model()
        cost = estimate(body.tokens, body.examples, body.hyperparameters.n_epochs, model.price)
        return {
            **asdict(cost),
            "provider": model.provider,
            "price_microdollars_per_million_tokens": model.price,
            "price_as_of": model.prices.as_of.isoformat() if model.prices else None,
        }


def _base_model(
    model: BaseModelEntry, catalogue: Catalogue, agent: Agent | None, spoken: str, today: date
) -> dict[str, Any]:
    provider = catalogue[model.provider]
    closes = min(filter(None, (model.training_closes, provider.training_closes)), default=None)
    prices = model.prices
    return {
        "base_model": model.id,
        "aliases": model.aliases,
        "provider": provider.id,
        "provider_name": provider.label(spoken),
        "name": model.name.ru if spoken == "ru" else model.name.en,
        "price_microdollars_per_million_tokens": model.price,
        "price_as_of": prices.as_of.isoformat() if prices else None,
        "prices": prices.model_dump(mode="json") if prices else None,
        "limits": catalogue.limits(provider.id, model.id).model_dump(),
        "methods": provider.capabilities.methods,
        "trainable": model.trainable and not (closes and closes <= today),
        "training_closes": closes.isoformat() if closes else None,
        "shutdown": model.shutdown.isoformat() if model.shutdown else None,
        "key": _key(agent, provider.id),
    }


def _provider(provider: ProviderEntry, agent: Agent | None, spoken: str, today: date) -> dict[str, Any]:
    until = provider.trains_until_at_least
    closings = [
        {
            "since": one.since.isoformat(),
            "whom": one.whom.ru if spoken == "ru" else one.whom.en,
            "everybody": one.everybody,
            "passed": one.since <= today,
        }
        for one in provider.closings
    ]
    return {
        "provider": provider.id,
        "name": provider.label(spoken),
        "protocol": provider.protocol,
        "capabilities": provider.capabilities.model_dump(mode="json"),
        "variables": {
            name: {"label": one.label.ru if spoken == "ru" else one.label.en, "example": one.example}
            for name, one in provider.variables.items()
        },
        "closings": closings,
        "trains_until_at_least": until.isoformat() if until else None,
        "key": _key(agent, provider.id),
    }


def _key(agent: Agent | None, provider: str) -> dict[str, Any] | None:
    key = agent.key_for(provider) if agent else None
    return {name: key[name] for name in KEY_SHOWN} if key else None
