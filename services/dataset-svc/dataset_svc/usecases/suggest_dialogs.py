"""Look at dialogs that came, went on or were rated, and suggest those that are worth an owner's look."""

from __future__ import annotations

from typing import Any

from chassis import observability as seen
from chassis.database import Connection, Database
from chassis.errors import Permanent, describe
from chassis.objects import ObjectStore
from dataset_svc.domain.message import Messages, load
from dataset_svc.domain.suggestions import Said, reasons_of, score
from dataset_svc.domain.weights import Ratings
from dataset_svc.outbound import candidate_store, suggestion_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.open_example import messages_of

SLICE = 25
"""Dialogs in one transaction: some 10 ms of work, so that requests of others come in between."""
COLUMNS = ("tenant_id", "dataset_id", "dialog_id", "branch", "revision", "source", "outcome",
           "message_count", "ended_at")  # fmt: skip


class Suggester:
    """The worker; any number of processes may run it, each takes other dialogs."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    async def suggest_next(self) -> bool:
        """Look at the dialogs that wait longest; returns whether there may be more.

        Whoever opens an example of one of them waits, or was here first and is seen.
        """
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            slots = await suggestion_store.take_due(connection, SLICE)
            if not slots:
                return False
            await candidate_store.share_dialogs(connection, slots)
            await self._look(connection, slots)
        return len(slots) == SLICE

    async def _look(self, connection: Connection, slots: list[candidate_store.Slot]) -> None:
        ratings = await candidate_store.ratings_of(connection, slots)
        found: list[dict[str, Any]] = []
        gone: list[Row] = []
        for row in await suggestion_store.branches(connection, slots):
            rated = Ratings(ratings.get((row["tenant_id"], row["dialog_id"]), {}))
            reasons = [] if row["known"] else reasons_of(await self._said(row, rated))
            if not reasons:
                gone.append(row)
                continue
            found.append({
                **{name: row[name] for name in COLUMNS},
                "reasons": [one.stored() for one in reasons],
                "names": [one.name for one in reasons],
                "score": score(reasons),
            })  # fmt: skip
        await suggestion_store.withdraw(connection, gone)
        await suggestion_store.put(connection, found)

    async def _said(self, row: Row, ratings: Ratings) -> Said:
        return Said(await self._messages(row), ratings, row["source"], newest=row["newest"])

    async def _messages(self, row: Row) -> Messages:
        """Return what was said; nothing where the stored transcript is gone: ratings count even so."""
        try:
            return load(await messages_of(row, row["tenant_id"], self._objects))
        except Permanent as error:
            seen.log().warning("transcript_unreadable", error=describe(error))
            return ()
