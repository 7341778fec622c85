"""SQL of what serves agents, and since when: as agent.routed tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.database import Connection
from dataset_svc.domain.lineage import RouteModel


@dataclass(frozen=True, slots=True)
class Entry:
    """What was said of an agent's route at a time."""

    id: str
    agent_id: str
    route_version: int
    reason: str
    because: str | None
    route: dict[str, Any] | None
    at: datetime


async def end_before(connection: Connection, tenant: str, entry: Entry) -> None:
    """End what served the agent before this version of its route."""
    await connection.execute(
        """
        WITH ended AS (
            UPDATE activations SET ended_at = $4
            WHERE tenant_id = $1 AND agent_id = $2 AND route_version < $3 AND ended_at IS NULL
            RETURNING id
        )
        UPDATE activation_models m SET serves = false FROM ended
        WHERE m.tenant_id = $1 AND m.activation_id = ended.id
        """,
        tenant,
        entry.agent_id,
        entry.route_version,
        entry.at,
    )


async def put(connection: Connection, tenant: str, entry: Entry) -> str:
    """Keep a version of a route, or what is said of it now; returns the id that it was first kept under."""
    kept: str = await connection.fetchval(
        """
        INSERT INTO activations (tenant_id, id, agent_id, route_version, reason, because, route, began_at,
            now_reason, now_because, now_since)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $5, $6, $8)
        ON CONFLICT (tenant_id, agent_id, route_version) WHERE reason <> 'rejected'
        DO UPDATE SET now_reason = excluded.reason, now_because = excluded.because,
            now_since = excluded.began_at
        RETURNING id
        """,
        tenant,
        entry.id,
        entry.agent_id,
        entry.route_version,
        entry.reason,
        entry.because,
        entry.route,
        entry.at,
    )
    return kept


async def put_rejected(connection: Connection, tenant: str, entry: Entry) -> None:
    """Keep that an activation changed nothing; it ended when it began."""
    await connection.execute(
        """
        INSERT INTO activations (tenant_id, id, agent_id, route_version, reason, because, began_at, ended_at,
            now_reason, now_because, now_since)
        VALUES ($1, $2, $3, $4, 'rejected', $5, $6, $6, 'rejected', $5, $6) ON CONFLICT DO NOTHING
        """,
        tenant,
        entry.id,
        entry.agent_id,
        entry.route_version,
        entry.because,
        entry.at,
    )


async def put_models(connection: Connection, tenant: str, kept: str, models: Sequence[RouteModel]) -> None:
    """Keep which models a route names and which of them answer."""
    await connection.execute(
        """
        INSERT INTO activation_models (tenant_id, activation_id, number, role, provider, model, run_id, share,
            serves)
        SELECT $1, $2, * FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::float8[],
            $9::bool[])
        ON CONFLICT (tenant_id, activation_id, number) DO UPDATE SET serves = excluded.serves
        """,
        tenant,
        kept,
        list(range(len(models))),
        [one.role for one in models],
        [one.provider for one in models],
        [one.model for one in models],
        [one.run_id for one in models],
        [one.share for one in models],
        [one.serves for one in models],
    )
