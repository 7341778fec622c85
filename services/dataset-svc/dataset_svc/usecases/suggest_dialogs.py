"""Look at dialogs that came, went on or were rated, and suggest those that are worth an owner's look."""

from __future__ import annotations

import asyncio
from typing import Any

from chassis import observability as seen
from chassis.database import Connection, Database
from chassis.errors import Permanent, describe, where
from chassis.objects import ObjectStore
from dataset_svc.domain.message import load
from dataset_svc.domain.suggestions import Reason, Said, reasons_of, score
from dataset_svc.domain.weights import Ratings
from dataset_svc.outbound import candidate_store, suggestion_store
from dataset_svc.outbound.candidate_store import Slot
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.open_example import messages_of

SLICE = 50
"""Dialogs in one transaction, some 20 ms of work."""
PAUSE = 0.1
"""Seconds between slices: the intake comes first, and 400 dialogs a second are plenty."""
COLUMNS = ("tenant_id", "dataset_id", "dialog_id", "branch", "revision", "source", "outcome",
           "message_count", "ended_at")  # fmt: skip


class Suggester:
    """The worker; any number of processes may run it, each takes other dialogs."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    async def suggest_next(self) -> bool:
        """Look at the dialogs that wait longest; returns whether there may be more.

        Whoever opens an example of one of them waits, or was here first and is seen. The dialogs' locks come
        before their places in the queue: a batch, which has its locks by then, may wait for such a place.
        """
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            waiting = await suggestion_store.due(connection, SLICE)
            if not waiting:
                return False
            await candidate_store.share_dialogs(connection, waiting)
            await self._look(connection, await suggestion_store.take(connection, waiting))
        await asyncio.sleep(PAUSE)
        return len(waiting) == SLICE

    async def _look(self, connection: Connection, slots: list[Slot]) -> None:
        ratings = await candidate_store.ratings_of(connection, slots)
        found: list[dict[str, Any]] = []
        gone: list[Row] = []
        later: set[Slot] = set()
        for row in await suggestion_store.branches(connection, slots):
            await asyncio.sleep(0)  # requests of others come in between
            slot = (row["tenant_id"], row["dialog_id"])
            try:
                reasons = [] if row["known"] else await self._reasons(row, Ratings(ratings.get(slot, {})))
            except Exception as error:
                # one dialog's trouble, such as with its stored transcript, holds up no other
                seen.log().warning("dialog_looked_at_later", error=describe(error), at=where(error))
                later.add(slot)
                continue
            if reasons:
                found.append(_suggestion(row, reasons))
            else:
                gone.append(row)
        await suggestion_store.withdraw(connection, gone)
        await suggestion_store.put(connection, found)
        await suggestion_store.put_back(connection, sorted(later))

    async def _reasons(self, row: Row, ratings: Ratings) -> list[Reason]:
        try:
            messages = load(await messages_of(row, row["tenant_id"], self._objects))
        except (Permanent, ValueError) as error:  # gone or no transcript: ratings count even so
            seen.log().warning("transcript_unreadable", error=describe(error))
            messages = ()
        return reasons_of(Said(messages, ratings, row["source"], newest=row["newest"]))


def _suggestion(row: Row, reasons: list[Reason]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in COLUMNS},
        "reasons": [one.stored() for one in reasons],
        "names": [one.name for one in reasons],
        "score": score(reasons),
    }
