"""Make an agent or change it: every change is a version of its own."""

from __future__ import annotations

from typing import Any

from agent_svc.domain.agent import Agent
from agent_svc.domain.errors import bad_tool
from agent_svc.outbound import agent_store as store
from agent_svc.outbound.catalogue import Catalogue
from agent_svc.usecases.publish_agent import publish_agent
from chassis import audit
from chassis.database import Transaction
from chassis.untrusted import UnsafeSchemaError, check_schema
from contracts.fingerprint import prompt_fingerprint


async def put_agent(
    transaction: Transaction,
    catalogue: Catalogue,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    definition: dict[str, Any],
) -> tuple[Agent, bool]:
    """Store the definition as the newest version; returns the agent and whether it is new.

    The same definition again changes nothing. Raises a 422 Problem for an unsafe function schema.
    """
    check_functions(definition["tools"])
    connection = transaction.connection
    await store.lock_agent(connection, tenant, agent_id)
    known = await store.get_agent(connection, tenant, agent_id)
    if known is not None and known.definition == definition:
        return known, False
    version = known.version + 1 if known else 1
    await store.put_agent(connection, tenant, agent_id, version, definition["name"])
    await store.insert_version(
        connection,
        tenant=tenant,
        agent_id=agent_id,
        version=version,
        definition=definition,
        fingerprint=prompt_fingerprint(definition["prompt"], definition["tools"]),
        by=subject,
    )
    await publish_agent(transaction, catalogue, tenant, agent_id)
    await audit.record(
        connection, tenant=tenant, subject=subject, action="agent.put", object_id=agent_id, version=version
    )
    stored = await store.get_agent(connection, tenant, agent_id)
    assert stored is not None  # noqa: S101 -- written two statements ago, under its lock
    return stored, known is None


def check_functions(tools: list[dict[str, Any]]) -> None:
    """Refuse functions whose parameters are not a harmless JSON Schema."""
    for number, tool in enumerate(tools):
        try:
            check_schema(tool["function"].get("parameters") or {})
        except UnsafeSchemaError as error:
            raise bad_tool(f"tools.{number}.function.parameters{error.path}", str(error)) from None
