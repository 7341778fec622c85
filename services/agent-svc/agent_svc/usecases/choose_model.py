"""Find out which model a test chat's column asks, where, and by which key."""

from __future__ import annotations

from dataclasses import dataclass

from agent_svc.domain.agent import Agent
from agent_svc.domain.chat_errors import model_unknown
from agent_svc.domain.chat_tree import Column
from agent_svc.domain.errors import no_key, no_provider
from agent_svc.domain.key import Key
from agent_svc.domain.routing import Place, candidates, place_of
from agent_svc.outbound import key_store, route_store, run_store
from agent_svc.outbound.chat import Target, target_at
from chassis.catalogue import Catalogue
from chassis.database import Connection
from chassis.vault import SecretId, Vault


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, where it is asked, and by which version of which key."""

    model: str
    target: Target
    key: Key


async def choose_model(
    connection: Connection,
    vault: Vault,
    catalogue: Catalogue,
    *,
    tenant: str,
    agent: Agent,
    dialog_id: str,
    column: Column,
) -> Choice:
    """Return whom to ask. Raises a 422 Problem for an unknown model, a 409 without a key at its provider."""
    provider, model = await place_in(
        connection, catalogue, tenant=tenant, agent=agent, dialog_id=dialog_id, column=column
    )
    keys = await key_store.keys_of(connection, tenant, agent.agent_id)
    key = next((one for one in keys if one.provider == provider), None)
    if key is None:
        raise no_key()
    secret = await vault.get(connection, SecretId(tenant, key.key_id, key.version))
    if secret is None:
        raise no_key()
    target = target_at(catalogue, provider, secret, key.variables)
    if target is None:
        raise no_provider()
    return Choice(model, target, key)


async def place_in(
    connection: Connection,
    catalogue: Catalogue,
    *,
    tenant: str,
    agent: Agent,
    dialog_id: str,
    column: Column,
) -> tuple[str, str]:
    """Return provider and model of a column; raises a 422 Problem for a model that nothing here knows."""
    base = Place(agent.definition["provider"], agent.definition["base_model"], "")
    if column.use == "base":
        return base.provider, base.model
    row = await route_store.current_route(connection, tenant, agent.agent_id)
    route = row["effective"] if row else None
    if column.use == "route":
        who = candidates(agent.agent_id, dialog_id, route, base)
        return (who.first.provider, who.first.model) if who else (base.provider, base.model)
    model = column.model or ""
    named = [place_of(one) for one in (route["targets"] if route else ())]
    if route and route.get("fallback"):
        named.append(place_of(route["fallback"]))
    found = next((one.provider for one in named if one.model == model), None)
    if found is None:
        run = await run_store.run_of_model(connection, tenant, model)
        found = run["provider"] if run is not None and run["agent_id"] == agent.agent_id else None
    if found is None:
        listed = [one.provider for one in catalogue.base_models if model in (one.id, *one.aliases)]
        found = base.provider if base.provider in listed else next(iter(listed), None)
    if found is None:
        raise model_unknown()
    return found, model
