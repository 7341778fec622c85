"""Note what serves an agent, since when and why, so that a dialog can be followed to what answers now."""

from __future__ import annotations

from datetime import datetime

from chassis.database import Transaction
from contracts.agents import AgentRouted
from dataset_svc.domain.lineage import activation_id, route_models
from dataset_svc.outbound import activation_store
from dataset_svc.outbound.activation_store import Entry


async def note_route(transaction: Transaction, *, tenant: str, routed: AgentRouted, at: datetime) -> None:
    """Keep the version of the route, end what served before it, note which of its models answer.

    agent.routed is compacted: a version that was passed over while nobody read is not in the history.
    """
    event = routed.model_dump(mode="json")
    entry = Entry(
        activation_id(event["activation_id"], routed.agent_id, routed.route_version),
        routed.agent_id, routed.route_version, routed.reason, routed.because, event["desired"], at,
    )  # fmt: skip
    connection = transaction.connection
    if routed.reason == "rejected":
        # it says again what serves, which was said when that began
        if routed.activation_id is not None:
            await activation_store.put_rejected(connection, tenant, entry)
        return
    await activation_store.end_before(connection, tenant, entry)
    kept = await activation_store.put(connection, tenant, entry)
    models = route_models(event["desired"], event["effective"])
    await activation_store.put_models(connection, tenant, kept, models)
