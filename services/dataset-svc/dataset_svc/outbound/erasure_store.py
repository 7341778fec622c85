"""SQL of erasure: the versions that held what went, and what is reported of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from chassis.tombstones import digest

Held = tuple[str, UUID]  # tenant, example


async def lock_datasets(connection: Connection, slots: Sequence[tuple[str, str]]) -> None:
    """Let nobody pin a version of the datasets that hold something of these dialogs (tenant, dialog).

    A version that is being pinned is waited for: it is found afterwards, and what goes is not pinned again.
    """
    await connection.execute(
        """
        SELECT FROM datasets d WHERE (d.tenant_id, d.id) IN (
            SELECT e.tenant_id, e.dataset_id FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
            JOIN examples e ON e.tenant_id = w.tenant_id AND e.dialog_id = w.dialog_id
            UNION SELECT e.tenant_id, e.dataset_id
            FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
            JOIN examples e ON e.tenant_id = w.tenant_id AND e.copied_dialog_id = w.dialog_id
            UNION SELECT o.tenant_id, o.dataset_id
            FROM unnest($1::text[], $3::bytea[]) AS w (tenant_id, dialog_hmac)
            JOIN example_origins o USING (tenant_id, dialog_hmac))
        ORDER BY d.tenant_id, d.id FOR NO KEY UPDATE
        """,
        [tenant for tenant, _ in slots],
        [dialog_id for _, dialog_id in slots],
        [digest(tenant, dialog_id) for tenant, dialog_id in slots],
    )


async def withdraw_versions(connection: Connection, examples: Iterable[Held]) -> list[Record]:
    """Withdraw the frozen versions that hold one of these examples; returns a row for each that they hold.

    One that is being frozen is left to its writer, who is waited for, and who finds them gone.
    """
    wanted = sorted(set(examples))
    if not wanted:
        return []
    await connection.execute(
        """
        SELECT FROM dataset_versions d WHERE (d.tenant_id, d.dataset_id, d.version) IN (
            SELECT v.tenant_id, v.dataset_id, v.version
            FROM unnest($1::text[], $2::uuid[]) AS w (tenant_id, example_id)
            JOIN version_examples v USING (tenant_id, example_id))
        ORDER BY d.tenant_id, d.dataset_id, d.version FOR UPDATE
        """,
        [tenant for tenant, _ in wanted],
        [example for _, example in wanted],
    )
    return await connection.fetch(
        """
        WITH holding AS (
            SELECT v.tenant_id, v.dataset_id, v.version, v.example_id
            FROM unnest($1::text[], $2::uuid[]) AS w (tenant_id, example_id)
            JOIN version_examples v USING (tenant_id, example_id)
            JOIN dataset_versions d USING (tenant_id, dataset_id, version)
            WHERE d.state IN ('ready', 'withdrawn')
        ), withdrawn AS (
            UPDATE dataset_versions d
            SET state = 'withdrawn', withdrawn_at = coalesce(d.withdrawn_at, clock_timestamp())
            FROM (SELECT DISTINCT tenant_id, dataset_id, version FROM holding) h
            WHERE d.tenant_id = h.tenant_id AND d.dataset_id = h.dataset_id AND d.version = h.version
            RETURNING d.tenant_id, d.dataset_id, d.version, d.agent_id
        )
        SELECT w.*, h.example_id FROM withdrawn w JOIN holding h USING (tenant_id, dataset_id, version)
        ORDER BY w.tenant_id, w.agent_id, w.dataset_id, w.version, h.example_id
        """,
        [tenant for tenant, _ in wanted],
        [example for _, example in wanted],
    )


async def put_erasure(
    connection: Connection, tenant: str, erasure_id: UUID, removed: dict[str, int], examples: Sequence[UUID]
) -> None:
    """Note what went; the first word on it stands, should the erasure be told again."""
    await connection.execute(
        "INSERT INTO erasures (tenant_id, erasure_id, removed, examples) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING",
        tenant,
        erasure_id,
        removed,
        list(examples),
    )


async def link_versions(connection: Connection, links: Iterable[tuple[str, UUID, UUID, int]]) -> None:
    """Note (tenant, erasure, dataset, version): which locked versions held what went."""
    rows = sorted(set(links))
    if rows:
        await connection.execute(
            """
            INSERT INTO erased_versions (tenant_id, erasure_id, dataset_id, version, told)
            SELECT w.*, d.files_deleted_at IS NOT NULL
            FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[])
                AS w (tenant_id, erasure_id, dataset_id, version)
            JOIN dataset_versions d USING (tenant_id, dataset_id, version)
            ON CONFLICT DO NOTHING
            """,
            *map(list, zip(*rows, strict=True)),
        )


async def reports(connection: Connection, erasures: Iterable[Held]) -> list[Record]:
    """Return of each (tenant, erasure): what was removed, its examples, and its versions as JSON."""
    wanted = sorted(set(erasures))
    return await connection.fetch(
        """
        SELECT e.tenant_id, e.erasure_id, e.removed, e.examples, coalesce(
            jsonb_agg(jsonb_build_object('id', v.dataset_id || ':' || v.version,
                'gone', d.files_deleted_at IS NOT NULL) ORDER BY v.dataset_id, v.version)
            FILTER (WHERE v.version IS NOT NULL), '[]') AS versions
        FROM unnest($1::text[], $2::uuid[]) AS w (tenant_id, erasure_id)
        JOIN erasures e USING (tenant_id, erasure_id)
        LEFT JOIN erased_versions v USING (tenant_id, erasure_id)
        LEFT JOIN dataset_versions d USING (tenant_id, dataset_id, version)
        GROUP BY e.tenant_id, e.erasure_id ORDER BY e.tenant_id, e.erasure_id
        """,
        [tenant for tenant, _ in wanted],
        [erasure for _, erasure in wanted],
    )


async def next_withdrawn(connection: Connection) -> Record | None:
    """Return the version whose files wait longest to be deleted."""
    return await connection.fetchrow(
        """
        SELECT * FROM dataset_versions WHERE state = 'withdrawn' AND files_deleted_at IS NULL
        ORDER BY withdrawn_at LIMIT 1
        """
    )


async def note_files_deleted(connection: Connection, version: Record) -> None:
    """Note that a version's files are gone."""
    await connection.execute(
        "UPDATE dataset_versions SET files_deleted_at = clock_timestamp() "
        "WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3",
        version["tenant_id"],
        version["dataset_id"],
        version["version"],
    )


async def take_untold(connection: Connection, limit: int) -> list[Held]:
    """Take some (tenant, erasure) of which no report says yet that the files of a version are gone."""
    rows = await connection.fetch(
        """
        UPDATE erased_versions e SET told = true
        FROM (
            SELECT v.tenant_id, v.erasure_id, v.dataset_id, v.version
            FROM erased_versions v JOIN dataset_versions d USING (tenant_id, dataset_id, version)
            WHERE NOT v.told AND d.files_deleted_at IS NOT NULL
            LIMIT $1 FOR UPDATE OF v SKIP LOCKED
        ) due
        WHERE e.tenant_id = due.tenant_id AND e.erasure_id = due.erasure_id
          AND e.dataset_id = due.dataset_id AND e.version = due.version
        RETURNING e.tenant_id, e.erasure_id
        """,
        limit,
    )
    return [(row["tenant_id"], row["erasure_id"]) for row in rows]
