"""Go on with operations that are too large for one call, in turns, each tenant's after another's."""

from __future__ import annotations

from chassis.database import Database
from chassis.errors import is_transient
from dataset_svc.outbound import operation_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.change_examples import take_turn
from dataset_svc.usecases.import_examples import IMPORT, Importer, is_whole, refuse_whole
from dataset_svc.usecases.undo_operation import take_back

TURN_SECONDS = 30.0
"""A turn that takes longer may be given to another process too; the row's lock keeps them apart."""


class OperationRunner:
    """Takes turns at operations; many processes may run one."""

    def __init__(self, database: Database, importer: Importer) -> None:
        self._database = database
        self._importer = importer

    async def run_next(self) -> bool:
        """Give the operation that was served longest ago a turn; returns whether there was one."""
        async with self._database.transaction() as transaction:
            claimed = await operation_store.claim(transaction.connection, TURN_SECONDS)
        if claimed is None:
            return False
        try:
            await self._serve(claimed)
        except Exception as error:
            if not is_transient(error):
                await self._give_up(claimed)
            raise
        return True

    async def _serve(self, claimed: Row) -> None:
        if claimed["action"] == IMPORT and claimed["state"] == "running":
            await self._importer.take_turn(claimed)
            return
        async with self._database.transaction() as transaction:
            if claimed["state"] == "undoing":
                await take_back(transaction, claimed["tenant_id"], claimed["id"])
            else:
                await take_turn(transaction, claimed["tenant_id"], claimed["id"])

    async def _give_up(self, claimed: Row) -> None:
        """End an operation that no turn can bring further, so that it blocks nobody and keeps no file."""
        async with self._database.transaction() as transaction:
            if claimed["state"] == "running" and is_whole(claimed):
                await refuse_whole(transaction.connection, claimed, claimed["position"])
            else:
                await operation_store.advance(
                    transaction.connection, claimed["tenant_id"], claimed["id"], state="refused",
                    position=claimed["position"],
                )  # fmt: skip
        if claimed["action"] == IMPORT:
            await self._importer.delete_file(claimed)
