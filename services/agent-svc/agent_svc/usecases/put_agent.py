"""Make an agent or change it: every change is a version of its own."""

from __future__ import annotations

import re
from typing import Any

from agent_svc.domain.agent import Agent
from agent_svc.domain.errors import agent_changed, agent_exists, bad_function_name, bad_tool
from agent_svc.outbound import agent_store as store
from agent_svc.usecases.publish_agent import publish_agent
from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Connection, Transaction
from chassis.untrusted import UnsafeSchemaError, check_schema
from contracts.fingerprint import prompt_fingerprint

CHANGES_NAMED = 20
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


async def put_agent(
    transaction: Transaction,
    catalogue: Catalogue,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    definition: dict[str, Any],
    seen: int | None = None,
    only_new: bool = False,
) -> tuple[Agent, bool]:
    """Store the definition as the newest version; returns the agent and whether it is new.

    The same definition again changes nothing. `seen` is the version that the caller read. Raises a 422
    Problem for an unsafe function, a 412 when the agent is not as the caller thinks.
    """
    check_functions(definition["tools"])
    connection = transaction.connection
    await store.lock_agent(connection, tenant, agent_id)
    known = await store.get_agent(connection, tenant, agent_id)
    if known is not None and only_new:
        raise agent_exists()
    await _check_seen(connection, tenant, agent_id, known, seen)
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


async def _check_seen(
    connection: Connection, tenant: str, agent_id: str, known: Agent | None, seen: int | None
) -> None:
    """Raise the 412 that names who changed the agent since the caller read it."""
    version = known.version if known else 0
    if seen is None or seen == version:
        return
    rows = await store.list_versions(connection, tenant, agent_id, None, CHANGES_NAMED)
    changes = [
        {"version": row["version"], "by": row["created_by"], "at": row["created_at"].isoformat()}
        for row in rows
        if row["version"] > seen
    ]
    raise agent_changed(version, changes)


def check_functions(tools: list[dict[str, Any]]) -> None:
    """Refuse functions whose name providers don't take, or whose parameters are no harmless JSON Schema."""
    names: set[str] = set()
    for number, tool in enumerate(tools):
        name = tool["function"]["name"]
        if name in names or not FUNCTION_NAME.match(name):
            raise bad_function_name(f"tools.{number}.function.name", twice=name in names)
        names.add(name)
        try:
            check_schema(tool["function"].get("parameters") or {})
        except UnsafeSchemaError as error:
            raise bad_tool(f"tools.{number}.function.parameters{error.path}", str(error)) from None
