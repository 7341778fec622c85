"""Let go of what nobody came back to: drafts, removed examples, undo, transcripts never taken."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from chassis import audit
from chassis.database import Database
from chassis.objects import ObjectStore
from chassis.retention import Kept, freed
from dataset_svc.outbound import candidate_store, example_store, operation_store, step_store

SLICE = 200
PATIENCE = 1.0
BY = "mortarboard"
BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), "", "", 0, "")


def kept(unsaved: float, operations: float, candidates: float) -> tuple[Kept, ...]:
    """Return what is kept for so many days."""
    text = "(t.transcript IS NOT NULL OR t.uri IS NOT NULL)"
    held = "FROM examples e WHERE e.tenant_id = t.tenant_id AND e.dialog_id = t.dialog_id"
    return (
        Kept("steps", operations, "draft_changes", "t.changed_at", "t.before IS NOT NULL"),
        Kept("drafts", unsaved, "examples", "t.changed_at", "t.state <> 'saved'"),
        Kept("operations", operations, "operations", "t.finished_at", "t.finished_at IS NOT NULL"),
        Kept(
            "candidates", candidates, "candidates", "t.received_at", f"{text} AND NOT EXISTS (SELECT {held})"
        ),
    )


class Expirer:
    """Deletes a few at a time; many processes may. Days without an end are 0 (candidates only)."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        *,
        unsaved: float,
        operations: float,
        candidates: float,
    ) -> None:
        self._database = database
        self._objects = objects
        self._unsaved = unsaved
        self._operations = operations
        self._candidates = candidates
        self._looked_at = BEGINNING

    async def expire_next(self) -> bool:
        """Delete a few; returns whether there may be more."""
        examples = await self._expire_examples()
        operations = await self._expire_operations()
        steps = await self._forget_steps()
        return await self._expire_candidates() or examples or operations or steps

    async def _expire_examples(self) -> bool:
        async with self._database.transaction() as transaction:
            gone = await example_store.delete_expired(transaction.connection, self._unsaved, SLICE)
            for row in gone:
                await audit.record(
                    transaction.connection, tenant=row["tenant_id"], subject=BY, action="example.expired",
                    object_id=str(row["id"]), state=row["state"],
                )  # fmt: skip
            await candidate_store.delete_old_pending(transaction.connection, self._unsaved)
            passed_by = await example_store.has_expired(transaction.connection, self._unsaved)
        full = freed("drafts", (row["size"] for row in gone)) == SLICE
        if passed_by and not full:
            await asyncio.sleep(PATIENCE)  # somebody, a check for one, has it just now
        return full or passed_by

    async def _expire_operations(self) -> bool:
        """Delete imported files before what names them: a file that nothing names would stay for ever."""
        async with self._database.transaction() as transaction:
            old = await operation_store.find_old(transaction.connection, self._operations, SLICE)
        for row in old:
            if "uri" in row["arguments"]:
                await self._objects.delete(row["arguments"]["uri"], row["tenant_id"])
        async with self._database.transaction() as transaction:
            gone = await operation_store.delete_old(transaction.connection, self._operations, old)
        return freed("operations", (row["size"] for row in gone)) == SLICE

    async def _forget_steps(self) -> bool:
        """Forget what was before changes of long ago: undo of an edit is kept as long as that of a call."""
        async with self._database.transaction() as transaction:
            sizes = await step_store.forget_old(transaction.connection, self._operations, SLICE)
        return freed("steps", sizes) == SLICE

    async def _expire_candidates(self) -> bool:
        """Go on where the last turn stopped: what an example holds is passed by, once a round."""
        if not self._candidates:
            return False
        async with self._database.transaction() as transaction:
            sizes, last = await candidate_store.expire_candidates(
                transaction.connection, self._candidates, self._looked_at, SLICE
            )
        freed("candidates", sizes)
        self._looked_at = last or BEGINNING
        return last is not None
