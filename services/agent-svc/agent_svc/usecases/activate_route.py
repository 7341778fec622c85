"""Put models into service, or go back: one writer per agent, each change a version of its own."""

from __future__ import annotations

from typing import Any

from agent_svc.domain.errors import nothing_to_roll_back
from agent_svc.outbound import key_store
from agent_svc.outbound import route_store as store
from chassis import audit
from chassis.database import Transaction
from contracts.agents import AgentRouted
from contracts.training import ModelActivated


async def activate_route(transaction: Transaction, tenant: str, activated: ModelActivated) -> None:
    """Apply an activation if its owner saw the newest route; otherwise change nothing and say so."""
    connection, agent_id = transaction.connection, activated.agent_id
    version = await store.lock_route(connection, tenant, agent_id)
    if activated.expected_route_version != version or not await _keys_known(transaction, tenant, activated):
        current = await store.current_route(connection, tenant, agent_id)
        _publish(transaction, tenant, agent_id, version, activated.activation_id, current, "rejected")
        return
    route = {
        "targets": [target.model_dump(mode="json") for target in activated.targets],
        "fallback": activated.fallback.model_dump(mode="json") if activated.fallback else None,
    }
    await store.append_route(
        connection,
        tenant=tenant,
        agent_id=agent_id,
        version=version + 1,
        activation_id=activated.activation_id,
        route=route,
        reason="activated",
        by=activated.by,
    )
    applied = {"desired": route, "effective": route}
    _publish(transaction, tenant, agent_id, version + 1, activated.activation_id, applied, "activated")


async def roll_back(transaction: Transaction, *, tenant: str, subject: str, agent_id: str) -> int:
    """Serve what served before; returns the new route version. Raises a 409 when nothing did."""
    connection = transaction.connection
    version = await store.lock_route(connection, tenant, agent_id)
    routes = await store.history(connection, tenant, agent_id)
    if not routes:
        raise nothing_to_roll_back()
    before = next((row["desired"] for row in routes[1:] if row["desired"] != routes[0]["desired"]), None)
    if before is None and routes[0]["desired"] is None:
        raise nothing_to_roll_back()
    await store.append_route(
        connection,
        tenant=tenant,
        agent_id=agent_id,
        version=version + 1,
        activation_id=None,
        route=before,
        reason="rolled_back",
        by=subject,
    )
    applied = {"desired": before, "effective": before}
    _publish(transaction, tenant, agent_id, version + 1, None, applied, "rolled_back")
    await audit.record(
        connection,
        tenant=tenant,
        subject=subject,
        action="route.rolled_back",
        object_id=agent_id,
        version=version + 1,
    )
    return version + 1


async def _keys_known(transaction: Transaction, tenant: str, activated: ModelActivated) -> bool:
    for target in activated.targets:
        if await key_store.get_key(transaction.connection, tenant, target.key_id) is None:
            return False
    return True


def _publish(
    transaction: Transaction,
    tenant: str,
    agent_id: str,
    version: int,
    activation_id: str | None,
    route: Any,
    reason: str,
) -> None:
    transaction.publish(
        AgentRouted.model_validate(
            {
                "agent_id": agent_id,
                "route_version": version,
                "activation_id": activation_id,
                "desired": route["desired"] if route else None,
                "effective": route["effective"] if route else None,
                "reason": reason,
            }
        ),
        tenant=tenant,
    )
