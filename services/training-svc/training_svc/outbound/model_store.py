"""All SQL about models: what runs made, their checkpoints, and what was registered by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from chassis.database import Connection
from training_svc.domain.run import Run

COLUMNS = "model_id, agent_id, kind, provider, name, base_model, key_id, run_id, step, metrics, created_at"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be put into service."""

    model_id: str
    agent_id: str
    kind: str
    provider: str
    name: str
    base_model: str
    key_id: str
    run_id: str | None
    step: int | None
    metrics: dict[str, Any] | None
    created_at: datetime


def _model(row: Any) -> Model:
    ids = {name: str(row[name]) if row[name] else None for name in ("model_id", "key_id", "run_id")}
    return Model(**{**row, **ids})


def checkpoint_id(run_id: str, step: int) -> str:
    """Return the id of the model that a run saved at a step."""
    return str(uuid5(UUID(run_id), f"step-{step}"))


async def add_models(connection: Connection, run: Run) -> None:
    """Store the model of a ready run and those of its checkpoints; what is there stays."""
    if run.model is None:
        return
    request = run.request
    rows: list[tuple[str, str, str, int | None, Any]] = []
    for one in sorted(run.checkpoints or (), key=lambda one: int(one["step"])):
        if one["model"] != run.model:
            made = checkpoint_id(request.run_id, one["step"])
            rows.append((made, "checkpoint", one["model"], one["step"], one.get("metrics")))
    rows.append((request.run_id, "final", run.model, None, None))  # the newest of them
    await connection.executemany(
        """
        INSERT INTO models (tenant_id, agent_id, provider, base_model, key_id, run_id,
                            model_id, kind, name, step, metrics)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING
        """,
        [
            (
                request.tenant,
                request.agent_id,
                request.provider,
                run.root_model or request.base_model,
                request.key_id,
                request.run_id,
                *row,
            )
            for row in rows
        ],
    )


async def register(connection: Connection, tenant: str, model: Model) -> bool:
    """Store a model that was made elsewhere; False when the agent has one of this name there already."""
    done = await connection.fetchval(
        """
        INSERT INTO models (tenant_id, model_id, agent_id, kind, provider, name, base_model, key_id, run_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING true
        """,
        tenant,
        model.model_id,
        model.agent_id,
        model.kind,
        model.provider,
        model.name,
        model.base_model,
        model.key_id,
        model.run_id,
    )
    return bool(done)


async def get(connection: Connection, tenant: str, model_id: str) -> Model | None:
    """Return a model."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM models WHERE tenant_id = $1 AND model_id = $2",  # noqa: S608 -- ours
        tenant,
        model_id,
    )
    return _model(row) if row else None


async def by_name(connection: Connection, tenant: str, provider: str, name: str) -> Model | None:
    """Return a model of the tenant by the name that the provider knows it by."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM models WHERE tenant_id = $1 AND provider = $2 AND name = $3 "  # noqa: S608
        "ORDER BY created_at LIMIT 1",
        tenant,
        provider,
        name,
    )
    return _model(row) if row else None


async def of_agent(
    connection: Connection, tenant: str, agent_id: str, *, before: tuple[datetime, str] | None, limit: int
) -> list[Model]:
    """Return up to `limit` of an agent's models, newest first, older than the place `before`."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM models WHERE tenant_id = $1 AND agent_id = $2 "  # noqa: S608 -- ours
        "AND ($3::timestamptz IS NULL OR (created_at, model_id) < ($3, $4::uuid)) "
        "ORDER BY created_at DESC, model_id DESC LIMIT $5",
        tenant,
        agent_id,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_model(row) for row in rows]
