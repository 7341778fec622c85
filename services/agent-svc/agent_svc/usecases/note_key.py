"""Remember what a check, a training run or a refusal showed of a key."""

from __future__ import annotations

from agent_svc.outbound import agent_store as store
from agent_svc.usecases.publish_agent import publish_agent
from chassis.database import Transaction


async def note_training(
    transaction: Transaction, *, tenant: str, key_id: str, training: str, because: str | None
) -> None:
    """Note whether the key can train, and tell everyone when that is news."""
    news = await store.note_training(
        transaction.connection, tenant=tenant, key_id=key_id, training=training, because=because
    )
    if news:
        await _tell(transaction, tenant, key_id)


async def note_infer(transaction: Transaction, *, tenant: str, key_id: str, infer: str) -> None:
    """Note whether the provider takes the key, as a check just found, and tell everyone."""
    await store.note_check(transaction.connection, tenant=tenant, key_id=key_id, infer=infer)
    await _tell(transaction, tenant, key_id)


async def _tell(transaction: Transaction, tenant: str, key_id: str) -> None:
    for agent_id in await store.agents_with_key(transaction.connection, tenant, key_id):
        await publish_agent(transaction, tenant, agent_id)
