"""Tell everyone what an agent is now: prompt, functions, base model and what its keys can do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent_svc.domain.key import Key, Standing, standing
from agent_svc.outbound import agent_store, key_store
from chassis.catalogue import Catalogue
from chassis.database import Transaction
from contracts.agents import AgentUpdated


def standing_now(key: Key, catalogue: Catalogue, now: datetime | None = None) -> Standing:
    """Return whether a key can train now, by what was seen and by the provider's closing date."""
    entry = catalogue.provider(key.provider)
    closes = entry.training_closes if entry else None
    return standing(key, closes, (now or datetime.now(UTC)).date())


def told_of(key: Key, counts: Standing) -> str:
    """Return in short what agent.updated says of a key, to see whether that has changed."""
    return "|".join(
        [str(key.version), counts.training, counts.because or "", key.infer, key.missing_scope or ""]
    )


async def publish_agent(
    transaction: Transaction, catalogue: Catalogue, tenant: str, agent_id: str, now: datetime | None = None
) -> None:
    """Publish agent.updated with the newest version; nothing when there is no such agent.

    One transaction after the other: what is published last holds what all of them changed.
    """
    await agent_store.lock_news(transaction.connection, tenant, agent_id)
    agent = await agent_store.get_agent(transaction.connection, tenant, agent_id)
    if agent is None:
        return
    keys = []
    for key in await key_store.keys_of(transaction.connection, tenant, agent_id):
        counts = standing_now(key, catalogue, now)
        keys.append(_on_wire(key, counts))
        await key_store.note_told(transaction.connection, tenant, key.key_id, told_of(key, counts))
    event = AgentUpdated.model_validate(
        {
            **agent.definition,
            "agent_id": agent_id,
            "version": agent.version,
            "fingerprint": agent.fingerprint,
            "keys": keys,
        }
    )
    transaction.publish(event, tenant=tenant)


async def publish_agents_of(
    transaction: Transaction, catalogue: Catalogue, tenant: str, key_id: str, now: datetime | None = None
) -> None:
    """Publish agent.updated of every agent that uses a key."""
    for agent_id in await key_store.agents_with_key(transaction.connection, tenant, key_id):
        await publish_agent(transaction, catalogue, tenant, agent_id, now)


def _on_wire(key: Key, counts: Standing) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "version": key.version,
        "provider": key.provider,
        "last4": key.last4,
        "fingerprint": key.fingerprint,
        "organisation": key.organisation,
        "training": counts.training,
        "infer": key.infer,
        "because": counts.because,
        "since": counts.since,
        "missing_scope": key.missing_scope or None,
        "checked_at": key.checked_at,
        "variables": dict(key.variables) or None,
    }
