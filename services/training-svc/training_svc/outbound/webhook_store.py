"""All SQL about webhooks: addresses that providers report to, and the reports that came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.database import Connection
from chassis.vault import HEAD

REPORTS_KEPT_HOURS = 72
"""Providers try again for this long."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address to report to; `version` and `sealed` are its secret's, 0 and None until one is given."""

    tenant: str
    hook_id: str
    provider: str
    version: int
    sealed: bytes | None


async def insert(connection: Connection, tenant: str, hook_id: str, provider: str, most: int) -> bool:
    """Add a webhook; False when the tenant has `most` already."""
    done = await connection.fetchval(
        """
        INSERT INTO webhooks (tenant_id, hook_id, provider)
        SELECT $1, $2, $3 WHERE (SELECT count(*) FROM webhooks WHERE tenant_id = $1) < $4
        RETURNING true
        """,
        tenant,
        hook_id,
        provider,
        most,
    )
    return bool(done)


async def all_of(connection: Connection, tenant: str) -> list[dict[str, Any]]:
    """Return a tenant's webhooks, oldest first, without their secrets."""
    rows = await connection.fetch(
        "SELECT hook_id, provider, version > 0 AS has_secret, created_at, reported_at FROM webhooks "
        "WHERE tenant_id = $1 ORDER BY created_at, hook_id",
        tenant,
    )
    return [dict(row) for row in rows]


async def lock(connection: Connection, tenant: str, hook_id: str) -> Webhook | None:
    """Lock a webhook for a change."""
    row = await connection.fetchrow(
        "SELECT tenant_id, hook_id, provider, version, sealed FROM webhooks "
        "WHERE tenant_id = $1 AND hook_id = $2 FOR UPDATE",
        tenant,
        hook_id,
    )
    return _webhook(hook_id, row) if row else None


async def set_secret(connection: Connection, webhook: Webhook) -> None:
    """Store a webhook's sealed secret and its version."""
    await connection.execute(
        "UPDATE webhooks SET version = $3, sealed = $4 WHERE tenant_id = $1 AND hook_id = $2",
        webhook.tenant,
        webhook.hook_id,
        webhook.version,
        webhook.sealed,
    )


async def delete(connection: Connection, tenant: str, hook_id: str) -> bool:
    """Remove a webhook; False when there is none."""
    done = await connection.fetchval(
        "DELETE FROM webhooks WHERE tenant_id = $1 AND hook_id = $2 RETURNING true", tenant, hook_id
    )
    return bool(done)


async def find(connection: Connection, hook_id: str) -> Webhook | None:
    """Return the webhook behind an address, whosever it is; nothing else of a tenant is read by this."""
    row = await connection.fetchrow("SELECT * FROM find_webhook($1)", hook_id)
    return _webhook(hook_id, row) if row else None


async def note_report(connection: Connection, webhook: Webhook, report_id: str) -> bool:
    """Remember a report; False when it had its effect already."""
    done = await connection.fetchval(
        """
        WITH heard AS (
            UPDATE webhooks SET reported_at = clock_timestamp() WHERE tenant_id = $1 AND hook_id = $2
            RETURNING tenant_id, hook_id
        )
        INSERT INTO webhook_reports (tenant_id, hook_id, report_id) SELECT tenant_id, hook_id, $3 FROM heard
        ON CONFLICT DO NOTHING RETURNING true
        """,
        webhook.tenant,
        webhook.hook_id,
        report_id,
    )
    return bool(done)


async def make_due(connection: Connection, tenant: str, provider: str, job_id: str) -> int:
    """Make the unfinished runs of a job due now; returns how many there are."""
    rows = await connection.fetch(
        """
        UPDATE runs SET next_poll_at = clock_timestamp()
        WHERE tenant_id = $1 AND job_id = $3 AND provider = $2
          AND status NOT IN ('ready', 'failed', 'cancelled')
        RETURNING 1
        """,
        tenant,
        provider,
        job_id,
    )
    return len(rows)


async def forget_reports(connection: Connection) -> int:
    """Drop the reports that no provider sends again; returns how many."""
    dropped = await connection.fetch(
        "DELETE FROM webhook_reports WHERE at < clock_timestamp() - make_interval(hours => $1) RETURNING 1",
        REPORTS_KEPT_HOURS,
    )
    return len(dropped)


async def lock_sealed_by(connection: Connection, heads: Sequence[bytes], limit: int) -> list[Webhook]:
    """Lock webhooks whose sealed secret begins with one of these heads of `chassis.vault`."""
    rows = await connection.fetch(
        "SELECT tenant_id, hook_id, provider, version, sealed FROM webhooks "
        "WHERE substr(sealed, 1, $1) = ANY ($2) LIMIT $3 FOR UPDATE SKIP LOCKED",
        HEAD,
        list(heads),
        limit,
    )
    return [_webhook(str(row["hook_id"]), row) for row in rows]


async def count_not_sealed_by(connection: Connection, head: bytes) -> int:
    """Return how many secrets begin with another head than this one."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM webhooks WHERE substr(sealed, 1, $1) <> $2", HEAD, head
        )
    )


def _webhook(hook_id: str, row: Any) -> Webhook:
    sealed = bytes(row["sealed"]) if row["sealed"] is not None else None
    return Webhook(row["tenant_id"], hook_id, row["provider"], row["version"], sealed)
