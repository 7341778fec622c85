"""Tell everyone what an agent is now: prompt, functions, base model and what its keys can do."""

from __future__ import annotations

from agent_svc.outbound import agent_store as store
from chassis.database import Transaction
from contracts.agents import AgentUpdated


async def publish_agent(transaction: Transaction, tenant: str, agent_id: str) -> None:
    """Publish agent.updated with the newest version; nothing when there is no such agent."""
    agent = await store.get_agent(transaction.connection, tenant, agent_id)
    if agent is None:
        return
    keys = await store.keys_of(transaction.connection, tenant, agent_id)
    transaction.publish(
        AgentUpdated.model_validate(
            {
                **agent.definition,
                "agent_id": agent_id,
                "version": agent.version,
                "fingerprint": agent.fingerprint,
                "keys": [
                    {
                        "key_id": key.key_id,
                        "version": key.version,
                        "provider": key.provider,
                        "last4": key.last4,
                        "fingerprint": key.fingerprint,
                        "training": key.training,
                        "infer": key.infer,
                        "because": key.because,
                        "checked_at": key.checked_at,
                    }
                    for key in keys
                ],
            }
        ),
        tenant=tenant,
    )
