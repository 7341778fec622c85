"""Erase dialogs: all text goes, a tombstone and a record stay, and everyone else is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import observability as seen
from chassis import outbox, tombstones
from chassis.database import Connection, Database, Transaction
from chassis.errors import describe, is_transient, where
from chassis.objects import ObjectStore
from chassis.tombstones import Tombstone
from contracts.dialogs import DialogErased
from dialog_svc.domain.dialog import Dialog
from dialog_svc.domain.search import MAX_WORDS, texts_of, words_of
from dialog_svc.outbound import dialog_store, index_store
from dialog_svc.outbound import erasure_store as store
from dialog_svc.outbound.dialog_store import Row, Slot
from dialog_svc.outbound.transcripts import folder_of

BATCH = 10  # dialogs of a client in one transaction
ENOUGH = 20_000  # messages in one transaction: no further dialog is taken with them
WORDS = 2_000  # asked for one by one in one transaction, which holds the index
PAUSE = 100  # messages between which others come in
FOLDERS = 20
SOON, POSTPONED = timedelta(seconds=0.1), timedelta(minutes=1)
ROUNDS, EMPTY_AGAIN = 2, 3600.0  # what was being written when it was first emptied goes as well
UNKNOWN_AGENT = "unknown"


@dataclass(frozen=True, slots=True)
class Eraser:
    """Serves requests to erase; many processes may.

    A client is looked for again `settle` seconds after the request: longer than a transaction may last that
    took in a dialog of his before it could know.
    """

    database: Database
    objects: ObjectStore
    settle: float

    async def erase_next(self) -> bool:
        """Do one step of the request that waits longest; returns whether there may be more."""
        request = None
        try:
            async with self.database.transaction() as transaction:
                if await _forget_words(transaction.connection):
                    return True
                request = await store.claim_request(transaction.connection)
                if request is None:
                    return False
                await self._go_on(transaction, request)
        except Exception as error:
            if request is None or is_transient(error):
                raise
            await self._postpone(request, error)
        return True

    async def _postpone(self, request: Row, error: Exception) -> None:
        """Let others go first: what is wrong with one request holds up no other."""
        seen.log().error(
            "erasure_failed", request_id=str(request["id"]), error=describe(error), at=where(error)
        )
        async with self.database.transaction() as transaction:
            later = request["now"] + POSTPONED
            await store.go_on(transaction.connection, request, request["position"], later)

    async def _go_on(self, transaction: Transaction, request: Row) -> None:
        """Erase the next dialogs of a request, or find that nothing is left to do."""
        connection, now = transaction.connection, request["now"]
        slots = await self._next(connection, request)
        if slots:
            await erase(transaction, request, slots)
            await store.go_on(connection, request, slots[-1][1], now)
        elif await store.has_words(connection, request):
            await store.go_on(connection, request, request["position"], now + SOON)
        elif request["kind"] == "client" and not self._looked_everywhere(request):
            # from the beginning: what was just being taken in may lie anywhere
            await store.go_on(connection, request, "", max(now, self._settled(request)))
        else:
            await store.finish_request(connection, request)

    def _looked_everywhere(self, request: Row) -> bool:
        """Tell whether a look that began once everything had settled found nothing at all."""
        return request["position"] == "" and bool(request["now"] >= self._settled(request))

    def _settled(self, request: Row) -> datetime:
        asked: datetime = request["repeated_at"]
        return asked + timedelta(seconds=self.settle)

    async def _next(self, connection: Connection, request: Row) -> list[Slot]:
        tenant, subject, position = request["tenant_id"], request["subject"], request["position"]
        if request["kind"] == "dialog":
            return [(tenant, subject)] if position != subject else []
        found: dict[str, None] = {}
        messages = 0
        for row in await store.dialogs_of_client(connection, tenant, subject, position, BATCH):
            messages += row["messages"]
            if found and messages > ENOUGH:
                break
            found[row["dialog_id"]] = None
        return [(tenant, dialog) for dialog in found]

    async def empty_folders(self) -> bool:
        """Delete large transcripts of erased dialogs; returns whether there may be more."""
        async with self.database.transaction() as transaction:
            due = await store.due_folders(transaction.connection, FOLDERS)
        for row in due:
            await self.objects.delete_under(row["folder"], row["tenant_id"])
            async with self.database.transaction() as transaction:
                await store.note_emptied(transaction.connection, row["tenant_id"], row["folder"], EMPTY_AGAIN)
        return len(due) == FOLDERS


async def _forget_words(connection: Connection) -> bool:
    """Take some words of what was erased out of the vocabulary; returns whether there were any."""
    if not await store.any_words(connection):
        return False
    await index_store.lock_index(connection)
    return await store.forget_words(connection)


async def erase(transaction: Transaction, request: Row, slots: Sequence[Slot]) -> None:
    """Erase dialogs, known or not: of an unknown one something may still be on its way."""
    connection = transaction.connection
    await index_store.lock_index(connection)  # before dialogs, as wherever both are locked
    at: datetime = request["now"]
    # whoever is just taking in its first message is waited for: both make its row
    dialogs = await dialog_store.make_and_lock(
        connection, sorted(slots), lambda slot: Dialog(*slot, "", "live", at, at)
    )
    words = await _words(connection, slots)
    removed = await store.delete_dialogs(connection, slots)
    for (tenant, dialog_id), found in words.items():
        shelf = dialogs[tenant, dialog_id].shelf
        for start in range(0, len(found), WORDS):
            await store.put_words(connection, tenant, request["id"], shelf, found[start : start + WORDS])
    # what waits to be published would bring the text into a log after all
    await outbox.withdraw(connection, DialogErased.TOPIC, slots)
    await store.doom_folders(connection, [(one[0], folder_of(*one)) for one in slots], rounds=ROUNDS)
    stones = []
    for slot in slots:
        erasure_id = uuid7()
        tenant, dialog_id = slot
        await store.insert_erasure(connection, tenant, erasure_id, request["id"], _counts(removed[slot]))
        stones.append(Tombstone(tenant, "dialog", dialog_id, request["asked_at"], erasure_id))
        transaction.publish(_erased(dialogs[slot], request, erasure_id), tenant=tenant)
    await tombstones.put(connection, stones)


async def _words(connection: Connection, slots: Sequence[Slot]) -> dict[Slot, list[str]]:
    """Return under which words each dialog may be found.

    Message by message: the indexer takes as many words a turn as are taken here of each message.
    """
    found: dict[Slot, list[str]] = {}
    for slot, rows in (await dialog_store.all_messages(connection, slots)).items():
        said: set[str] = set()
        for number, row in enumerate(rows):
            said.update(words_of(texts_of(row["message"])))
            if number % PAUSE == 0:
                await asyncio.sleep(0)
        plain, stems = sorted(said), set[str]()
        for start in range(0, len(plain), MAX_WORDS):
            some = " ".join(plain[start : start + MAX_WORDS])
            stems |= set(await store.words_of_texts(connection, some))
        found[slot] = sorted(stems)
    return found


def _counts(removed: dict[str, int]) -> dict[str, int]:
    """Return what an owner would count; the row made to wait for others is none of it."""
    return {name: removed.get(name, 0) for name in ("messages", "revisions", "ratings")}


def _erased(dialog: Dialog, request: dict[str, Any] | Row, erasure_id: UUID) -> DialogErased:
    return DialogErased(
        dialog_id=dialog.id,
        agent_id=dialog.agent_id or UNKNOWN_AGENT,
        requested_at=request["asked_at"],
        reason=request["kind"],
        erasure_id=str(erasure_id),
    )
