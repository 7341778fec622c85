"""Take in an agent's version: kept for ever, its dataset made, its examples checked again if need be."""

from __future__ import annotations

from typing import Any

from chassis.database import Transaction
from dataset_svc.domain.checks.copy import EXAMPLE_CONTEXT
from dataset_svc.outbound import agent_store, check_store


async def take_agent(transaction: Transaction, *, tenant: str, agent: dict[str, Any]) -> None:
    """Keep this version; other functions than before concern every example, another prompt only long ones.

    It takes the dataset's turn: a check under way, which knows the functions of before, must be over.
    """
    connection = transaction.connection
    dataset_id = await agent_store.ensure_dataset(connection, tenant, agent["agent_id"])
    await check_store.wait_turn(connection, tenant, dataset_id)
    before = await agent_store.get_agent(connection, tenant, agent["agent_id"])
    await agent_store.put_version(connection, tenant, agent)
    await agent_store.put_agent(connection, tenant, agent)
    if before is not None and before["version"] > agent["version"]:
        return
    if before is None or before["tools"] != agent["tools"]:
        await check_store.queue_dataset(connection, tenant, dataset_id, None)
    elif before["prompt"] != agent["prompt"]:
        await check_store.queue_dataset(connection, tenant, dataset_id, EXAMPLE_CONTEXT // 2)
