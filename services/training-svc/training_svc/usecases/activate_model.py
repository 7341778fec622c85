"""Ask agent-svc to put a model into service: the owner's wish, with the route version that the owner saw."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Transaction
from chassis.observability import linked_span
from contracts.agents import SharedTarget
from contracts.agents import Target as TargetOnWire
from contracts.training import ModelActivated
from training_svc.domain.activation import Target, with_share
from training_svc.domain.errors import bad_fallback, no_agent, no_key, no_model, not_ready, route_changed
from training_svc.outbound import agent_store, model_store, run_store
from training_svc.outbound.model_store import Model


async def activate_model(
    transaction: Transaction,
    *,
    tenant: str,
    subject: str,
    model_id: str,
    share: float,
    expected_route_version: int,
    reason: str,
    fallback_model_id: str | None = None,
) -> str:
    """Publish model.activated for a trained model; returns the activation's id.

    `fallback_model_id` names another model of the agent, at any provider, to answer when this one does not;
    without it that is the model's base.
    """
    model = await _model(transaction, tenant, model_id)
    trained = Target(model.name, model.provider, model.key_id, model.run_id, share)
    base = await _base(transaction, tenant, model)
    asked_in = (
        await run_store.traceparent_of(transaction.connection, tenant, model.run_id) if model.run_id else ""
    )
    serving = await _serving(transaction, tenant, model.agent_id, expected_route_version)
    return await _publish(
        transaction,
        tenant=tenant,
        subject=subject,
        agent_id=model.agent_id,
        expected_route_version=expected_route_version,
        targets=with_share(trained, serving, base),
        fallback=await _fallback(transaction, tenant, model, fallback_model_id) or base,
        reason=reason,
        asked_in=asked_in,
    )


async def activate_base(
    transaction: Transaction,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    expected_route_version: int,
    reason: str,
) -> str:
    """Publish model.activated for the agent's base model; returns the activation's id."""
    agent = await agent_store.get_agent(transaction.connection, tenant, agent_id)
    if agent is None:
        raise no_agent()
    key = agent.key_for(agent.provider)
    if key is None:
        raise no_key()
    await _serving(transaction, tenant, agent_id, expected_route_version)
    return await _publish(
        transaction,
        tenant=tenant,
        subject=subject,
        agent_id=agent_id,
        expected_route_version=expected_route_version,
        targets=[Target(agent.base_model, agent.provider, key["key_id"], None, 1.0)],
        fallback=None,
        reason=reason,
    )


async def _model(transaction: Transaction, tenant: str, model_id: str) -> Model:
    model = await model_store.get(transaction.connection, tenant, model_id)
    if model is None:
        run = await run_store.get(transaction.connection, tenant, model_id)
        raise no_model() if run is None else not_ready(run.status)
    return model


async def _fallback(
    transaction: Transaction, tenant: str, model: Model, model_id: str | None
) -> Target | None:
    if model_id is None:
        return None
    other = await _model(transaction, tenant, model_id)
    if other.agent_id != model.agent_id or (other.name, other.provider) == (model.name, model.provider):
        raise bad_fallback()
    return Target(other.name, other.provider, other.key_id, other.run_id, 1.0)


async def _base(transaction: Transaction, tenant: str, model: Model) -> Target:
    """Return what answers when the model does not: its own base, or of a registered one the agent's."""
    if model.kind != "registered":
        return Target(model.base_model, model.provider, model.key_id, None, 1.0)
    agent = await agent_store.get_agent(transaction.connection, tenant, model.agent_id)
    key = agent.key_for(agent.provider) if agent else None
    if agent is None or key is None:
        raise no_key()
    return Target(agent.base_model, agent.provider, key["key_id"], None, 1.0)


async def _serving(transaction: Transaction, tenant: str, agent_id: str, expected: int) -> list[Target]:
    """Return what the owner wants to serve now; raises when the owner saw a route that is surely past.

    Our copy may lag behind, so only an older expectation is refused here; agent-svc decides the rest.
    """
    route = await agent_store.get_route(transaction.connection, tenant, agent_id)
    if route is None:
        return []
    if expected < route["route_version"]:
        raise route_changed(route["route_version"])
    targets: list[dict[str, Any]] = (route["desired"] or {}).get("targets", [])
    return [Target(**target) for target in targets]


async def _publish(
    transaction: Transaction,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    expected_route_version: int,
    targets: list[Target],
    fallback: Target | None,
    reason: str,
    asked_in: str = "",
) -> str:
    activation_id = str(uuid7())
    event = ModelActivated(
        activation_id=activation_id,
        agent_id=agent_id,
        expected_route_version=expected_route_version,
        targets=tuple(SharedTarget(**asdict(target)) for target in targets),
        fallback=TargetOnWire(**asdict(fallback)) if fallback else None,
        by=subject or "unknown",
        reason=reason,
    )
    with linked_span("activate model", asked_in):
        transaction.publish(event, tenant=tenant)
    await audit.record(
        transaction.connection,
        tenant=tenant,
        subject=subject,
        action="model_activated",
        object_id=agent_id,
        activation_id=activation_id,
        models=[target.model for target in targets],
    )
    return activation_id
