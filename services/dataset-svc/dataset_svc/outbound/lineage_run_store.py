"""SQL of the chain from runs to what serves: each method is one step of it, down or up."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.lineage import VersionId

Named = tuple[str, str]  # provider, model
RUN = (
    "r.run_id, r.dataset_id, r.version, r.provider, r.settings, r.settings_sha256, r.status, r.run, "
    "r.asked_by, r.asked_at, r.published_at"
)


async def runs_of_versions(connection: Connection, tenant: str, wanted: Sequence[VersionId]) -> list[Record]:
    """Return the runs that were asked for of these versions, newest first."""
    return await connection.fetch(
        f"""
        SELECT {RUN} FROM unnest($2::uuid[], $3::bigint[]) AS w (dataset_id, version)
        JOIN train_requests r ON r.tenant_id = $1 AND r.dataset_id = w.dataset_id AND r.version = w.version
        ORDER BY r.run_id DESC
        """,  # noqa: S608 -- RUN is a literal
        tenant,
        [one.dataset_id for one in wanted],
        [one.version for one in wanted],
    )


async def runs(connection: Connection, tenant: str, run_ids: Sequence[UUID]) -> list[Record]:
    """Return these runs, newest first."""
    return await connection.fetch(
        f"SELECT {RUN} FROM train_requests r "  # noqa: S608 -- RUN is a literal
        "WHERE r.tenant_id = $1 AND r.run_id = ANY($2) ORDER BY r.run_id DESC",
        tenant,
        run_ids,
    )


async def runs_from_models(connection: Connection, tenant: str, named: Sequence[Named]) -> list[Record]:
    """Return the runs that went on from these models, newest first."""
    return await connection.fetch(
        f"""
        SELECT {RUN} FROM unnest($2::text[], $3::text[]) AS w (provider, model)
        JOIN train_requests r
          ON r.tenant_id = $1 AND r.settings ->> 'base_model' = w.model AND r.provider = w.provider
        ORDER BY r.run_id DESC
        """,  # noqa: S608 -- RUN is a literal
        tenant,
        *_names(named),
    )


async def models_of_runs(connection: Connection, tenant: str, run_ids: Sequence[UUID]) -> list[Record]:
    """Return the models that these runs made, the final one of each first."""
    return await connection.fetch(
        "SELECT * FROM run_models WHERE tenant_id = $1 AND run_id = ANY($2) "
        "ORDER BY run_id DESC, step DESC NULLS FIRST, model",
        tenant,
        run_ids,
    )


async def models_named(connection: Connection, tenant: str, model: str) -> list[Record]:
    """Return the models of this name that runs made, at any provider."""
    return await connection.fetch(
        "SELECT * FROM run_models WHERE tenant_id = $1 AND model = $2 ORDER BY run_id DESC", tenant, model
    )


async def models(connection: Connection, tenant: str, named: Sequence[Named]) -> list[Record]:
    """Return those of these models that runs made."""
    return await connection.fetch(
        """
        SELECT m.* FROM unnest($2::text[], $3::text[]) AS w (provider, model)
        JOIN run_models m ON m.tenant_id = $1 AND m.model = w.model AND m.provider = w.provider
        ORDER BY m.run_id DESC, m.model
        """,
        tenant,
        *_names(named),
    )


async def activations_of_models(
    connection: Connection, tenant: str, named: Sequence[Named], limit: int
) -> list[Record]:
    """Return the routes that named these models, newest first; `serves`: one of them answers now."""
    return await connection.fetch(
        """
        SELECT a.*, m.serves FROM (
            SELECT m.activation_id, bool_or(m.serves) AS serves
            FROM unnest($2::text[], $3::text[]) AS w (provider, model)
            JOIN activation_models m
              ON m.tenant_id = $1 AND m.model = w.model AND m.provider = w.provider
            GROUP BY m.activation_id
        ) m JOIN activations a ON a.tenant_id = $1 AND a.id = m.activation_id
        ORDER BY a.ended_at IS NULL DESC, a.began_at DESC, a.id LIMIT $4
        """,
        tenant,
        *_names(named),
        limit,
    )


async def activation(
    connection: Connection, tenant: str, activation_id: str, route: tuple[str, int] | None
) -> Record | None:
    """Return what was put into service, or was refused: by its id, or by agent and version of the route."""
    agent_id, version = route or (None, None)
    return await connection.fetchrow(
        """
        SELECT a.*, a.ended_at IS NULL AND a.route IS NOT NULL AS serves FROM activations a
        WHERE tenant_id = $1
          AND (id = $2 OR (agent_id = $3::text AND route_version = $4::bigint AND reason <> 'rejected'))
        ORDER BY id = $2 DESC LIMIT 1
        """,
        tenant,
        activation_id,
        agent_id,
        version,
    )


async def models_of_activations(
    connection: Connection, tenant: str, activation_ids: Sequence[str]
) -> list[Record]:
    """Return the models that routes name, in their order."""
    return await connection.fetch(
        "SELECT * FROM activation_models WHERE tenant_id = $1 AND activation_id = ANY($2) "
        "ORDER BY activation_id, number",
        tenant,
        activation_ids,
    )


def _names(named: Sequence[Named]) -> tuple[list[str], list[str]]:
    return [provider for provider, _ in named], [model for _, model in named]
