"""Forget dialogs: what is held of them goes, versions that held them are withdrawn, and it is reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from chassis import tombstones
from chassis.database import Database, Transaction
from chassis.objects import ObjectStore
from chassis.tombstones import Tombstone
from contracts.datasets import DatasetChanged, DatasetWithdrawn
from contracts.dialogs import DialogForgotten, Holding
from dataset_svc.domain.dialog import Dialog
from dataset_svc.outbound import (
    candidate_store,
    erasure_store,
    example_store,
    operation_store,
    revision_store,
)
from dataset_svc.outbound.candidate_store import Slot
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.write_version import delete_files

SERVICE = "dataset-svc"
TOLD = 500
"""Reports in one transaction: of a client's dialogs, any number may have been in one version."""


async def erase_dialogs(transaction: Transaction, dialogs: Sequence[Dialog]) -> None:
    """Forget dialogs: candidates, ratings and examples go, tombstones stay."""
    if not dialogs:
        return
    connection, slots = transaction.connection, [(one.tenant, one.id) for one in dialogs]
    await erasure_store.lock_datasets(connection, slots)  # before examples, as where versions are pinned
    await tombstones.put(connection, [_stone(one) for one in dialogs])
    candidates = await candidate_store.erase_dialogs(connection, slots)
    gone = await example_store.delete_of_dialogs(connection, slots)
    # only now, by statements of their own: whoever held an example's lock has committed what it saved
    revisions = await revision_store.delete_of_dialogs(connection, slots)
    examples = {(row["tenant_id"], row["id"]): row["of_dialog"] for row in gone}
    examples |= {(row["tenant_id"], row["example_id"]): row["dialog_id"] for row in revisions}
    await operation_store.forget_examples(connection, sorted(examples))
    for row in gone:
        if row["state"] == "saved" and row["dialog_id"] is not None:
            changed = DatasetChanged(dialog_id=row["dialog_id"], example_id=row["id"], state="removed")
            transaction.publish(changed, tenant=row["tenant_id"])
    erasures = {(one.tenant, one.id): one.erasure_id for one in dialogs if one.erasure_id}
    counts = {slot: Counter(candidates=candidates[slot]) for slot in slots}
    for row in gone:
        counts[row["tenant_id"], row["of_dialog"]]["examples"] += 1
    for row in revisions:
        counts[row["tenant_id"], row["dialog_id"]]["revisions"] += row["revisions"]
    for slot, erasure_id in erasures.items():
        of_dialog = sorted(one for (tenant, one), dialog in examples.items() if (tenant, dialog) == slot)
        await erasure_store.put_erasure(connection, slot[0], erasure_id, counts[slot], of_dialog)
    await _withdraw(transaction, examples, erasures)
    await report(transaction, [(tenant, one) for (tenant, _), one in erasures.items()])


def _stone(dialog: Dialog) -> Tombstone:
    at = dialog.erased_at or datetime.now(UTC)
    return Tombstone(dialog.tenant, "dialog", dialog.id, at, dialog.erasure_id)


async def _withdraw(
    transaction: Transaction, examples: dict[tuple[str, UUID], str], erasures: dict[Slot, UUID]
) -> None:
    """Withdraw the versions that hold these examples, and tell training-svc by which erasures."""
    held: dict[tuple[str, str, UUID, int], set[UUID]] = defaultdict(set)
    for row in await erasure_store.withdraw_versions(transaction.connection, examples):
        tenant = row["tenant_id"]
        erasure_id = erasures.get((tenant, examples[tenant, row["example_id"]]))
        key = (tenant, row["agent_id"], row["dataset_id"], row["version"])
        held[key] |= {erasure_id} if erasure_id else set()
    await erasure_store.link_versions(
        transaction.connection,
        [
            (tenant, one, dataset, version)
            for (tenant, _, dataset, version), ids in held.items()
            for one in ids
        ],
    )
    for (tenant, agent_id, dataset_id, version), ids in held.items():
        withdrawn = DatasetWithdrawn(
            agent_id=agent_id, dataset_id=str(dataset_id), version=version, reason="erased",
            erasure_ids=tuple(map(str, sorted(ids))),
        )  # fmt: skip
        transaction.publish(withdrawn, tenant=tenant)


async def note_heard(transaction: Transaction, slots: Iterable[Slot]) -> None:
    """Note, and report, that something of erased dialogs came again and was dropped."""
    rows = await tombstones.note_heard(transaction.connection, "dialog", slots)
    heard = {(row["tenant_id"], row["erasure_id"]): row["heard_at"] for row in rows if row["erasure_id"]}
    await report(transaction, heard, heard)


async def report(
    transaction: Transaction,
    erasures: Iterable[tuple[str, UUID]],
    heard: dict[tuple[str, UUID], datetime] | None = None,
) -> None:
    """Publish what became of all that held these erased dialogs."""
    for row in await erasure_store.reports(transaction.connection, erasures):
        versions = [
            Holding(kind="version", id=one["id"], state="deleted" if one["gone"] else "waiting")
            for one in row["versions"]
        ]
        examples = [Holding(kind="example", id=str(one), state="deleted") for one in row["examples"]]
        done = all(one.state == "deleted" for one in versions)
        forgotten = DialogForgotten(
            erasure_id=str(row["erasure_id"]), service=SERVICE, state="done" if done else "waiting",
            removed=row["removed"], held=(*examples, *versions), at=datetime.now(UTC),
            heard_at=(heard or {}).get((row["tenant_id"], row["erasure_id"])),
        )  # fmt: skip
        transaction.publish(forgotten, tenant=row["tenant_id"])


class FileEraser:
    """Deletes the files of withdrawn versions, and reports it."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    async def erase_next(self) -> bool:
        """Delete one version's files and report some; returns whether there may be more."""
        version = await self._next()
        if version is not None:
            await delete_files(self._objects, version, range(1, version["epoch"] + 1))
            async with self._database.transaction() as transaction:
                await erasure_store.note_files_deleted(transaction.connection, version)
        return await self._tell() or version is not None

    async def _next(self) -> Row | None:
        async with self._database.transaction() as transaction:
            return await erasure_store.next_withdrawn(transaction.connection)

    async def _tell(self) -> bool:
        async with self._database.transaction() as transaction:
            waiting = await erasure_store.take_untold(transaction.connection, TOLD)
            await report(transaction, waiting)
        return len(waiting) == TOLD
