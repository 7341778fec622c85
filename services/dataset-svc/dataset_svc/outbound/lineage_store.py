"""SQL of the chain from dialogs to versions: each method is one step of it, down or up."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.lineage import Place, VersionId

FIRST = UUID(int=0)
VERSION = (
    "v.dataset_id, v.version, v.agent_id, v.agent_version, v.state, v.examples, v.manifest, "
    "v.prompt_fingerprint, v.created_by, v.created_at"
)


async def dialog(connection: Connection, tenant: str, dialog_id: str) -> list[Record]:
    """Return the newest revision of each of the dialog's branches, the newest first, at most 10."""
    return await connection.fetch(
        """
        SELECT * FROM (
            SELECT DISTINCT ON (branch) dialog_id, branch, revision, agent_id, source, outcome, message_count,
                ended_at, transcript, sha256
            FROM candidates WHERE tenant_id = $1 AND dialog_id = $2 ORDER BY branch, revision DESC
        ) newest ORDER BY revision DESC LIMIT 10
        """,
        tenant,
        dialog_id,
    )


async def erased_at(connection: Connection, tenant: str, hmac: bytes) -> Record | None:
    """Return when it was asked to erase the dialog, None when nobody did."""
    return await connection.fetchrow(
        "SELECT requested_at FROM tombstones WHERE tenant_id = $1 AND kind = 'dialog' AND subject_hmac = $2",
        tenant,
        hmac,
    )


async def examples_of_dialog(
    connection: Connection, tenant: str, dialog_id: str, hmac: bytes, limit: int
) -> list[Record]:
    """Return the dialog's examples, copies too, and those that are gone but that a version held."""
    return await connection.fetch(
        """
        SELECT id, dataset_id, state, saved_revision, copied_example_id, false AS gone FROM examples
        WHERE tenant_id = $1 AND dialog_id = $2
        UNION ALL
        SELECT id, dataset_id, state, saved_revision, copied_example_id, false FROM examples
        WHERE tenant_id = $1 AND copied_dialog_id = $2
        UNION ALL
        SELECT o.example_id, o.dataset_id, 'gone', NULL, NULL, true FROM example_origins o
        WHERE o.tenant_id = $1 AND o.dialog_hmac = $3
          AND NOT EXISTS (SELECT FROM examples e WHERE e.tenant_id = $1 AND e.id = o.example_id)
          AND EXISTS (SELECT FROM version_examples v WHERE v.tenant_id = $1 AND v.example_id = o.example_id)
        ORDER BY id LIMIT $4
        """,
        tenant,
        dialog_id,
        hmac,
        limit,
    )


async def example(connection: Connection, tenant: str, example_id: UUID) -> Record | None:
    """Return an example, or what is left of one that is gone but that a version held."""
    return await connection.fetchrow(
        """
        SELECT $2::uuid AS id, coalesce(e.dataset_id, pinned.dataset_id) AS dataset_id, d.agent_id,
            coalesce(e.state, 'gone') AS state, e.dialog_id, e.branch, e.origin_revision, e.source,
            e.saved_revision, e.copied_example_id, e.copied_revision, e.copied_dialog_id, e.changed_by,
            e.changed_at, erased.requested_at AS erased_at
        FROM (SELECT 1) AS one
        LEFT JOIN examples e ON e.tenant_id = $1 AND e.id = $2
        LEFT JOIN LATERAL (
            SELECT dataset_id FROM version_examples WHERE tenant_id = $1 AND example_id = $2 LIMIT 1
        ) pinned ON true
        LEFT JOIN LATERAL (
            SELECT t.requested_at FROM example_origins o JOIN tombstones t
              ON t.tenant_id = o.tenant_id AND t.kind = 'dialog' AND t.subject_hmac = o.dialog_hmac
            WHERE o.tenant_id = $1 AND o.example_id = $2 LIMIT 1
        ) erased ON true
        JOIN datasets d ON d.tenant_id = $1 AND d.id = coalesce(e.dataset_id, pinned.dataset_id)
        """,
        tenant,
        example_id,
    )


async def revisions(connection: Connection, tenant: str, example_id: UUID) -> list[Record]:
    """Return the newest 50 saved revisions of an example with the hash of what each teaches."""
    return await connection.fetch(
        """
        SELECT revision, dialog_id, origin_revision, saved_by, saved_at,
            encode(sha256(convert_to(line, 'UTF8')), 'hex') AS content_sha256
        FROM example_revisions WHERE tenant_id = $1 AND example_id = $2 ORDER BY revision DESC LIMIT 50
        """,
        tenant,
        example_id,
    )


async def copies(connection: Connection, tenant: str, example_id: UUID, limit: int) -> list[Record]:
    """Return what was copied of an example for other agents."""
    return await connection.fetch(
        """
        SELECT id, dataset_id, state, saved_revision, copied_example_id, false AS gone FROM examples
        WHERE tenant_id = $1 AND copied_example_id = $2 ORDER BY id LIMIT $3
        """,
        tenant,
        example_id,
        limit,
    )


async def pins(connection: Connection, tenant: str, examples: Sequence[UUID], limit: int) -> list[Record]:
    """Return where versions hold these examples, the newest versions first."""
    return await connection.fetch(
        """
        SELECT p.dataset_id, p.version, p.example_id, p.revision, p.part,
            encode(p.content_sha256, 'hex') AS content_sha256
        FROM version_examples p JOIN dataset_versions v USING (tenant_id, dataset_id, version)
        WHERE p.tenant_id = $1 AND p.example_id = ANY($2)
        ORDER BY v.created_at DESC, p.dataset_id, p.version, p.example_id LIMIT $3
        """,
        tenant,
        examples,
        limit,
    )


async def versions(connection: Connection, tenant: str, wanted: Sequence[VersionId]) -> list[Record]:
    """Return these versions, newest first."""
    return await connection.fetch(
        f"""
        SELECT {VERSION} FROM unnest($2::uuid[], $3::bigint[]) AS w (dataset_id, version)
        JOIN dataset_versions v ON v.tenant_id = $1 AND v.dataset_id = w.dataset_id AND v.version = w.version
        ORDER BY v.created_at DESC, v.dataset_id, v.version DESC
        """,  # noqa: S608 -- VERSION is a literal
        tenant,
        *_columns(wanted),
    )


async def count_pinned(connection: Connection, tenant: str, wanted: Sequence[VersionId]) -> Record:
    """Return how many examples versions hold, and how many of these were erased since."""
    row = await connection.fetchrow(
        """
        SELECT count(*) AS examples, count(*) FILTER (WHERE r.revision IS NULL) AS erased
        FROM unnest($2::uuid[], $3::bigint[]) AS w (dataset_id, version)
        JOIN version_examples p ON p.tenant_id = $1 AND p.dataset_id = w.dataset_id AND p.version = w.version
        LEFT JOIN example_revisions r
          ON r.tenant_id = $1 AND r.example_id = p.example_id AND r.revision = p.revision
        """,
        tenant,
        *_columns(wanted),
    )
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row


async def pinned(
    connection: Connection, tenant: str, wanted: Sequence[VersionId], after: Place | None, limit: int
) -> list[Record]:
    """Return examples that versions hold, each with the dialog it came of while that is not erased."""
    dataset_id, version = (after.version.dataset_id, after.version.version) if after else (FIRST, 0)
    return await connection.fetch(
        """
        SELECT p.dataset_id, p.version, p.example_id, p.revision, p.part,
            encode(p.content_sha256, 'hex') AS content_sha256, r.dialog_id, r.origin_revision, r.saved_by,
            r.saved_at, e.copied_example_id, r.revision IS NULL AS erased
        FROM (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS u (dataset_id, version)
              WHERE (dataset_id, version) >= ($4::uuid, $5::bigint) ORDER BY 1, 2) w
        CROSS JOIN LATERAL (
            SELECT v.* FROM version_examples v
            WHERE v.tenant_id = $1 AND v.dataset_id = w.dataset_id AND v.version = w.version
              AND v.example_id > CASE WHEN (w.dataset_id, w.version) = ($4::uuid, $5::bigint)
                THEN $6::uuid ELSE $8::uuid END
            ORDER BY v.example_id LIMIT $7
        ) p
        LEFT JOIN example_revisions r
          ON r.tenant_id = $1 AND r.example_id = p.example_id AND r.revision = p.revision
        LEFT JOIN examples e ON e.tenant_id = $1 AND e.id = p.example_id
        ORDER BY p.dataset_id, p.version, p.example_id LIMIT $7
        """,
        tenant,
        *_columns(wanted),
        dataset_id,
        version,
        after.example_id if after else FIRST,
        limit,
        FIRST,
    )


def _columns(wanted: Sequence[VersionId]) -> tuple[list[UUID], list[int]]:
    return [one.dataset_id for one in wanted], [one.version for one in wanted]
