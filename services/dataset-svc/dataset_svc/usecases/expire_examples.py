"""Let go of what nobody came back to: drafts, removed examples, operations that could be undone."""

from __future__ import annotations

from chassis import audit
from chassis.database import Database
from chassis.objects import ObjectStore
from dataset_svc.outbound import candidate_store, example_store, operation_store

SLICE = 200
BY = "mortarboard"


class Expirer:
    """Deletes drafts and removed examples that were not touched for `days`; many processes may."""

    def __init__(self, database: Database, objects: ObjectStore, *, days: float) -> None:
        self._database = database
        self._objects = objects
        self._days = days

    async def expire_next(self) -> bool:
        """Delete a few; returns whether there may be more."""
        async with self._database.transaction() as transaction:
            gone = await example_store.delete_expired(transaction.connection, self._days, SLICE)
            for row in gone:
                await audit.record(
                    transaction.connection, tenant=row["tenant_id"], subject=BY, action="example.expired",
                    object_id=str(row["id"]), state=row["state"],
                )  # fmt: skip
            await candidate_store.delete_old_pending(transaction.connection, self._days)
            old = await operation_store.delete_old(transaction.connection, self._days, SLICE)
        for row in old:
            if "uri" in row["arguments"]:
                await self._objects.delete(row["arguments"]["uri"], row["tenant_id"])
        return len(gone) == SLICE or len(old) == SLICE
