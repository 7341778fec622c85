"""All SQL on what training.status says of runs."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from contracts.training import TrainingStatus

Row = Record


class News(NamedTuple):
    """What an event says of a run that was not known before."""

    job: bool
    refusal: bool


async def note_run(connection: Connection, tenant: str, event: TrainingStatus) -> News:
    """Keep what an event says of a run; returns which of it is news."""
    refusal = event.error.code if event.error else None
    before = await connection.fetchrow(
        "SELECT job_seen, refusal FROM runs WHERE tenant_id = $1 AND run_id = $2 FOR UPDATE",
        tenant,
        UUID(event.run_id),
    )
    models = [event.model] if event.model else []
    await connection.execute(
        """
        INSERT INTO runs AS r (tenant_id, run_id, agent_id, agent_version, prompt_fingerprint, base_model,
                               provider, key_id, status, job_seen, refusal, model, models, dataset_id,
                               dataset_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT (tenant_id, run_id) DO UPDATE SET
            status = excluded.status, job_seen = r.job_seen OR excluded.job_seen,
            refusal = excluded.refusal, model = coalesce(excluded.model, r.model), models = excluded.models,
            key_id = excluded.key_id
        """,
        tenant,
        UUID(event.run_id),
        event.agent_id,
        event.agent_version,
        event.prompt_fingerprint,
        event.base_model,
        event.provider,
        UUID(event.key_id),
        event.status,
        event.provider_job_id is not None,
        refusal,
        event.model,
        models + [one.model for one in event.checkpoints or ()],
        UUID(event.dataset_id),
        event.version,
    )
    return News(
        job=event.provider_job_id is not None and not (before and before["job_seen"]),
        refusal=refusal is not None and not (before and before["refusal"] == refusal),
    )


async def get_run(connection: Connection, tenant: str, run_id: str) -> Row | None:
    """Return what is known of a run, or None."""
    return await connection.fetchrow(
        "SELECT * FROM runs WHERE tenant_id = $1 AND run_id = $2", tenant, UUID(run_id)
    )


async def run_of_model(connection: Connection, tenant: str, model: str) -> Row | None:
    """Return the newest run that made a model or a checkpoint of this name, or None."""
    return await connection.fetchrow(
        "SELECT * FROM runs WHERE tenant_id = $1 AND $2 = ANY (models) ORDER BY run_id DESC LIMIT 1",
        tenant,
        model,
    )
