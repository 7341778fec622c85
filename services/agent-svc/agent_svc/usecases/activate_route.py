"""Put models into service, or go back: one writer per agent, each change a version of its own."""

from __future__ import annotations

from agent_svc.domain.errors import nothing_to_roll_back, route_changed
from agent_svc.domain.routing import newest_other
from agent_svc.outbound import agent_store, outage_store
from agent_svc.outbound import route_store as store
from agent_svc.outbound.route_store import Entry, Head
from agent_svc.usecases.change_route import change_route, tell_route
from chassis.database import Transaction
from contracts.training import ModelActivated


async def activate_route(transaction: Transaction, tenant: str, activated: ModelActivated) -> None:
    """Apply an activation if its owner saw the newest route; otherwise change nothing and say why."""
    agent_id = activated.agent_id
    head = await store.lock_route(transaction.connection, tenant, agent_id)
    why = await _why_not(transaction, tenant, activated, head)
    if why is not None:
        entry = Entry(
            route_version=head.route_version,
            activation_id=activated.activation_id,
            desired=head.desired,
            effective=head.effective,
            reason="rejected",
            by=activated.by,
            why=why,
        )
        await tell_route(transaction, tenant, agent_id, head, entry)
        return
    route = {
        "targets": [target.model_dump(mode="json") for target in activated.targets],
        "fallback": activated.fallback.model_dump(mode="json") if activated.fallback else None,
    }
    # what failed before may work now: the owner asks for it
    await outage_store.delete_outages(transaction.connection, tenant, agent_id, None)
    entry = Entry(
        route_version=head.route_version + 1,
        activation_id=activated.activation_id,
        desired=route,
        effective=route,
        reason="activated",
        by=activated.by,
        why=activated.reason,
    )
    await change_route(transaction, tenant, agent_id, head, entry)


async def roll_back(
    transaction: Transaction, *, tenant: str, subject: str, agent_id: str, seen: int | None = None
) -> int:
    """Serve what served before; returns the new route version.

    Raises a 409 when nothing did, and a 412 when the route is no longer the version that was `seen`.
    """
    connection = transaction.connection
    head = await store.lock_route(connection, tenant, agent_id)
    if seen is not None and seen != head.route_version:
        raise route_changed(head.route_version, await _last_by(transaction, tenant, agent_id))
    found, before = newest_other(head.desired, await store.earlier_routes(connection, tenant, agent_id))
    if not found:
        raise nothing_to_roll_back()
    await outage_store.delete_outages(connection, tenant, agent_id, None)
    entry = Entry(
        route_version=head.route_version + 1,
        activation_id=None,
        desired=before,
        effective=before,
        reason="rolled_back",
        by=subject or "unknown",
    )
    await change_route(transaction, tenant, agent_id, head, entry)
    return entry.route_version


async def _last_by(transaction: Transaction, tenant: str, agent_id: str) -> str:
    row = await store.current_route(transaction.connection, tenant, agent_id)
    return str(row["by"]) if row else ""


async def _why_not(
    transaction: Transaction, tenant: str, activated: ModelActivated, head: Head
) -> str | None:
    """Return the code of what speaks against an activation, or None."""
    connection = transaction.connection
    if await agent_store.get_agent(connection, tenant, activated.agent_id) is None:
        return "agent_unknown"
    if activated.expected_route_version != head.route_version:
        return "route_changed"
    asked = [*activated.targets, *([activated.fallback] if activated.fallback else [])]
    if not await store.all_keys_known(connection, tenant, {(one.key_id, one.provider) for one in asked}):
        return "key_unknown"
    return None
