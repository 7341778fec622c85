"""Compare two frozen versions: examples, and the agent they were frozen with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Connection
from dataset_svc.domain import problems
from dataset_svc.outbound import version_store
from dataset_svc.outbound.row import Row


@dataclass(frozen=True, slots=True)
class Compared:
    """Both versions, how many examples differ, and a page of those that do."""

    before: Row
    after: Row
    counts: Row
    rows: Sequence[Row]


async def compare_versions(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    version: int,
    other: int,
    cursor: UUID | None,
    limit: int,
) -> Compared:
    """Return what differs from `version` to `other`; raises a 404 Problem without either."""
    before = await version_store.get(connection, tenant, dataset_id, version)
    after = await version_store.get(connection, tenant, dataset_id, other)
    if before is None or after is None:
        raise problems.no_version()
    counts = await version_store.count_differences(connection, tenant, dataset_id, version, other)
    rows = await version_store.differences(connection, tenant, dataset_id, version, other, cursor, limit)
    return Compared(before, after, counts, rows)
