"""What comes in by HTTP about an agent's versions: the list, one of them, what differs, drift."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from agent_svc.domain.difference import Difference, difference
from agent_svc.domain.errors import no_agent, no_version
from agent_svc.inbound import views
from agent_svc.outbound import agent_store as store
from agent_svc.usecases.measure_drift import measure_drift
from chassis.database import Connection, Database
from chassis.http import CallerDep, language

SCOPES = {
    "GET /v1/agents/{agent_id}/versions": "dialogs:read",
    "GET /v1/agents/{agent_id}/versions/{version}": "dialogs:read",
    "GET /v1/agents/{agent_id}/versions/{version}/diff/{other}": "dialogs:read",
    "GET /v1/agents/{agent_id}/drift": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]
Version = Annotated[int, Field(ge=1, le=2**62)]


def add_endpoints(routes: APIRouter, database: Database) -> None:
    """Add the endpoints of versions."""
    _add_reading(routes, database)
    _add_comparing(routes, database)


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/agents/{agent_id}/versions")
    async def versions(
        caller: CallerDep,
        agent_id: str,
        limit: Limit = 50,
        cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    ) -> dict[str, Any]:
        """List an agent's versions, newest first; the cursor is the last version seen."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            rows = await store.list_versions(
                transaction.connection, caller.tenant, agent_id, cursor, limit + 1
            )
        return {
            "items": [{**row, "created_at": row["created_at"].isoformat()} for row in rows[:limit]],
            "next_cursor": rows[limit - 1]["version"] if len(rows) > limit else None,
        }

    @routes.get("/v1/agents/{agent_id}/versions/{version}")
    async def version(caller: CallerDep, agent_id: str, version: Version) -> dict[str, Any]:
        """Return one version of an agent."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await store.get_version(transaction.connection, caller.tenant, agent_id, version)
        if row is None:
            raise no_version()
        known = {name: row[name] for name in ("version", "fingerprint", "created_by")}
        return {**row["definition"], **known, "created_at": row["created_at"].isoformat()}


def _add_comparing(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/agents/{agent_id}/versions/{version}/diff/{other}")
    async def diff(caller: CallerDep, agent_id: str, version: Version, other: Version) -> dict[str, Any]:
        """Return how `version` became `other`: the prompt word by word, functions, settings."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            known = await _definitions(transaction.connection, caller.tenant, agent_id, (version, other))
        found: Difference = await asyncio.to_thread(difference, *known)
        return {"from_version": version, "to_version": other, **views.difference(found)}

    @routes.get("/v1/agents/{agent_id}/drift")
    async def drift(caller: CallerDep, request: Request, agent_id: str) -> dict[str, Any]:
        """Hold what each model in service was taught of prompt and functions against today's."""
        agent, found = await measure_drift(database, caller.tenant, agent_id)
        return {
            "agent_id": agent_id,
            "version": agent.version,
            "stale_at": agent.stale_at,
            "items": [views.drift(one, agent, language(request)) for one in found],
        }


async def _definitions(
    connection: Connection, tenant: str, agent_id: str, versions: tuple[int, int]
) -> list[dict[str, Any]]:
    found = []
    for number in versions:
        row = await store.get_version(connection, tenant, agent_id, number)
        if row is None:
            raise no_version()
        found.append(row["definition"])
    return found
