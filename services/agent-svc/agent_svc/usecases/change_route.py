"""What every change of a route does: keep it, add it to the history, audit it, and tell everyone."""

from __future__ import annotations

from agent_svc.outbound import route_store as store
from agent_svc.outbound.route_store import Entry, Head
from chassis import audit
from chassis.database import Transaction
from contracts.agents import AgentRouted


async def change_route(
    transaction: Transaction, tenant: str, agent_id: str, head: Head, entry: Entry
) -> None:
    """Make `entry` what serves; the caller holds the lock that gave it `head`."""
    await store.put_head(transaction.connection, tenant, agent_id, entry)
    await audit.record(
        transaction.connection,
        tenant=tenant,
        subject=entry.by,
        action=f"route.{entry.reason}",
        object_id=agent_id,
        version=entry.route_version,
        why=entry.why,
    )
    await tell_route(transaction, tenant, agent_id, head, entry)


async def tell_route(transaction: Transaction, tenant: str, agent_id: str, head: Head, entry: Entry) -> None:
    """Add to the history and publish agent.routed, without changing what serves."""
    await store.append_entry(transaction.connection, tenant, agent_id, entry)
    named = {target["model"] for target in entry.desired["targets"]} if entry.desired else None
    transaction.publish(
        AgentRouted.model_validate(
            {
                "agent_id": agent_id,
                "route_version": entry.route_version,
                "activation_id": entry.activation_id,
                "desired": entry.desired,
                "effective": entry.effective,
                "reason": entry.reason,
                "because": entry.why,
                "retiring": [one for one in head.retiring if named is None or one["model"] in named],
            }
        ),
        tenant=tenant,
    )
