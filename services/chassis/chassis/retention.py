"""What is kept for a time only: how long, how much there is of it, and what goes next.

Each service names its kinds; the audit trail is one of every service. Rows go in small batches, by workers.
What went is counted by kind, in rows and bytes; what is left is told to operators, without text or tenant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis import observability as seen
from chassis.database import Connection, Database
from chassis.published import kept_days

DAY = 86_400
SOON = 7
"""Days that count as soon."""
SLICE = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of rows that goes after so many days, 0 for never; `age`, `where`: SQL of a row `t`."""

    kind: str
    days: float
    table: str
    age: str
    where: str = "true"


def freed(kind: str, sizes: Iterable[int]) -> int:
    """Count what went, by the size of each row in bytes, once that is committed; returns how many rows."""
    found = list(sizes)
    seen.expired_rows.labels(kind).inc(len(found))
    seen.expired_bytes.labels(kind).inc(sum(found))
    return len(found)


def kept_audit(days: float) -> Kept:
    """Return the audit trail as a kind; its ids are made of the time."""
    return Kept("audit", days, "audit", "uuid_extract_timestamp(t.id)")


def kept_published(service: str, days: float) -> tuple[Kept, ...]:
    """Return published events as kinds: those of topics that delete by time, and those that stay."""
    if not days:
        return ()
    return (
        Kept("published", kept_days(service, days), "published", "t.published_at"),
        Kept("published_states", 0, "published_states", "t.published_at"),
    )


async def expire_audit(database: Database, days: float) -> bool:
    """Delete a few entries older than `days` (0: none ever goes); returns whether there may be more.

    The trail is append-only for the service's roles; a function of the database lets go of it, by age.
    """
    if not days:
        return False
    async with database.transaction() as transaction:
        rows = await transaction.connection.fetch(
            "SELECT size FROM expire_audit(make_interval(secs => $1), $2) AS size", days * DAY, SLICE
        )
    return freed("audit", (row["size"] for row in rows)) == SLICE


async def report(connection: Connection, kinds: Sequence[Kept]) -> list[dict[str, Any]]:
    """Return of each kind: days, rows, bytes of its table with indexes, the oldest, what is due and soon."""
    return [_told(kind, await _counted(connection, kind)) for kind in kinds]


async def _counted(connection: Connection, kind: Kept) -> Any:
    return await connection.fetchrow(
        f"""
        SELECT count(*) AS rows, min(age) AS oldest, coalesce((
                SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree($1::text::regclass)
            ), pg_total_relation_size($1::text::regclass))::bigint AS bytes,
            count(*) FILTER (WHERE age < $2::timestamptz) AS due,
            count(*) FILTER (WHERE age < $3::timestamptz) AS due_soon
        FROM (SELECT {kind.age} AS age FROM {kind.table} t WHERE {kind.where}) k
        """,  # noqa: S608 -- literals of the services
        kind.table,
        _before(kind.days),
        _before(kind.days, soon=SOON),
    )


def _before(days: float, soon: float = 0.0) -> datetime | None:
    """Return the moment before which rows go, now or so many days from now; None where none ever does."""
    return datetime.now(UTC) - timedelta(days=days - soon) if days else None


def _told(kind: Kept, row: Any) -> dict[str, Any]:
    return {
        "kind": kind.kind,
        "days": kind.days,
        "rows": row["rows"],
        "table": kind.table,
        "table_bytes": row["bytes"],
        "oldest": row["oldest"].isoformat() if row["oldest"] else None,
        "due": row["due"],
        "due_in_7_days": row["due_soon"],
    }
