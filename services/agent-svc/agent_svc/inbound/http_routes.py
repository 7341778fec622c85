"""What comes in by HTTP about what serves an agent."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from agent_svc.domain.errors import bad_version, no_agent
from agent_svc.outbound import agent_store as store
from agent_svc.outbound import outage_store, route_store
from agent_svc.usecases.activate_route import roll_back
from agent_svc.usecases.retire_models import shown
from chassis.database import Connection, Database, Transaction
from chassis.http import CallerDep
from chassis.idempotency import once

SCOPES = {
    "GET /v1/agents/{agent_id}/route": "dialogs:read",
    "GET /v1/agents/{agent_id}/route/history": "dialogs:read",
    "POST /v1/agents/{agent_id}/rollback": "activate",
}
NEWEST = 2**62
NAMES = ("route_version", "desired", "effective", "reason", "by")


def add_endpoints(routes: APIRouter, database: Database) -> None:
    """Add the endpoints of routes."""

    @routes.get("/v1/agents/{agent_id}/route")
    async def route(caller: CallerDep, agent_id: str, response: Response) -> dict[str, Any]:
        """Return what serves the agent now; version 0 is the base model.

        `effective` is `desired` with the fallback in place of targets that are out; `retiring` models end.
        """
        async with database.tenant_transaction(caller.tenant) as transaction:
            shown_route = await _shown(transaction.connection, caller.tenant, agent_id)
        response.headers["ETag"] = f'"{shown_route["route_version"]}"'
        return shown_route

    @routes.get("/v1/agents/{agent_id}/route/history")
    async def history(
        caller: CallerDep,
        agent_id: str,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[int, Query(ge=1, le=NEWEST)] = NEWEST,
    ) -> dict[str, Any]:
        """List what was ever said of the agent's route, who did it and why, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            rows = await route_store.history(
                transaction.connection, caller.tenant, agent_id, cursor, limit + 1
            )
        following = rows[limit - 1]["entry"] if len(rows) > limit else None
        return {"items": [route_store.as_json(row) for row in rows[:limit]], "next_cursor": following}

    @routes.post("/v1/agents/{agent_id}/rollback")
    async def rollback(
        caller: CallerDep,
        agent_id: str,
        idempotency_key: Annotated[str, Header(max_length=255)] = "",
        if_match: Annotated[str, Header(max_length=64)] = "",
    ) -> dict[str, Any]:
        """Serve what served before.

        With If-Match (the route's ETag) only if nobody changed the route meanwhile.
        """
        seen = _version(if_match)

        async def act(transaction: Transaction) -> tuple[int, dict[str, Any]]:
            version = await roll_back(
                transaction, tenant=caller.tenant, subject=caller.subject, agent_id=agent_id, seen=seen
            )
            return 200, {"agent_id": agent_id, "route_version": version}

        async with database.tenant_transaction(caller.tenant) as transaction:
            if await store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            _, answer = await once(
                transaction.connection,
                tenant=caller.tenant,
                key=idempotency_key,
                endpoint=f"rollback {agent_id}",
                request=if_match.encode(),
                act=lambda: act(transaction),
            )
        return answer


async def _shown(connection: Connection, tenant: str, agent_id: str) -> dict[str, Any]:
    agent = await store.get_agent(connection, tenant, agent_id)
    if agent is None:
        raise no_agent()
    row = await route_store.current_route(connection, tenant, agent_id)
    outages = await outage_store.shown(connection, tenant, agent_id)
    base = {"agent_id": agent_id, "base_model": agent.definition["base_model"], "outages": [], "retiring": []}
    if row is None:
        return base | {"route_version": 0, "desired": None, "effective": None, "reason": None}
    return (
        base
        | {name: row[name] for name in NAMES}
        | {
            "activation_id": str(row["activation_id"]) if row["activation_id"] else None,
            "at": row["at"].isoformat(),
            "outages": [{**one, "since": one["since"].isoformat()} for one in map(dict, outages)],
            "retiring": shown(row["retiring"], datetime.now(UTC).date()),
        }
    )


def _version(if_match: str) -> int | None:
    if if_match in {"", "*"}:
        return None
    found = re.fullmatch(r'"(\d{1,18})"', if_match)
    if found is None:
        raise bad_version()
    return int(found[1])
