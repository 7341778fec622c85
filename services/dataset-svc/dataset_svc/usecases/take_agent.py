"""Take in an agent's version: kept for ever, its dataset made, its examples checked again if need be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from chassis.database import Transaction
from dataset_svc.domain.checks.copy import EXAMPLE_CONTEXT
from dataset_svc.domain.personal.places import Key, own_values
from dataset_svc.outbound import agent_store, check_store
from dataset_svc.outbound.row import Row


async def take_agent(transaction: Transaction, *, tenant: str, agent: dict[str, Any]) -> None:
    """Keep this version; other functions than before concern every example, another prompt only long ones.

    A prompt that names other values of personal data concerns every example too: those are the agent's own.

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
    if before is None or before["tools"] != agent["tools"] or _own(before) != _own(agent):
        await check_store.queue_dataset(connection, tenant, dataset_id, None)
    elif before["prompt"] != agent["prompt"]:
        await check_store.queue_dataset(connection, tenant, dataset_id, EXAMPLE_CONTEXT // 2)


def _own(agent: Row | Mapping[str, Any]) -> frozenset[Key]:
    return own_values(agent["prompt"], orjson.dumps(agent["tools"]).decode())
