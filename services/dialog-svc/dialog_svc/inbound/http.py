"""What comes in by HTTP about one dialog: read it, rate it, select it for the dataset."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from chassis.auth import Caller
from chassis.database import Database
from chassis.http import CallerDep, add_audit
from chassis.routes import api_router
from contracts.chat import Rater
from contracts.event import OpaqueId
from dialog_svc.domain.dialog import Rating
from dialog_svc.domain.errors import no_dialog
from dialog_svc.inbound import http_erasures, http_lists, views
from dialog_svc.inbound.requests import Branch, NewRating, Selection
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.rate_dialog import rate_dialog
from dialog_svc.usecases.select_dialog import select_dialog

SCOPES = {
    **http_lists.SCOPES,
    **http_erasures.SCOPES,
    "GET /v1/dialogs/{dialog_id}": "dialogs:read",
    "PUT /v1/dialogs/{dialog_id}/rating": "curate",
    "POST /v1/dialogs/{dialog_id}/select": "curate",
    "GET /v1/audit": "dialogs:read",
}
DialogId = Annotated[OpaqueId, Path()]


def router(database: Database, transcripts: TranscriptStore, patience: http_erasures.Patience) -> APIRouter:
    """Return the endpoints of dialog-svc."""
    routes = api_router()
    # first: their fixed paths would otherwise be taken for a dialog's id
    http_lists.add_lists(routes, database)

    @routes.get("/v1/dialogs/{dialog_id}")
    async def get_dialog(
        caller: CallerDep, dialog_id: DialogId, branch: Annotated[Branch | None, Query()] = None
    ) -> dict[str, Any]:
        """Return a dialog with the messages of its active branch, or of the one that is named."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await store.get_dialog(transaction.connection, caller.tenant, dialog_id)
            if row is None:
                raise no_dialog()
            found = await store.all_messages(transaction.connection, [(caller.tenant, dialog_id)])
        return views.whole(row, found.get((caller.tenant, dialog_id), []), branch)

    @routes.put("/v1/dialogs/{dialog_id}/rating")
    async def rate(caller: CallerDep, dialog_id: DialogId, asked: NewRating) -> dict[str, Any]:
        """Rate the dialog, or one of its answers."""
        rating = Rating(asked.message_id, asked.rating, _rater(caller), asked.comment)
        async with database.tenant_transaction(caller.tenant) as transaction:
            await rate_dialog(
                transaction,
                transcripts,
                tenant=caller.tenant,
                subject=caller.subject,
                dialog_id=dialog_id,
                rating=rating,
            )
        return {
            "dialog_id": dialog_id,
            "message_id": rating.message_id,
            "rating": rating.rating,
            "by": rating.rater,
        }

    @routes.post("/v1/dialogs/{dialog_id}/select")
    async def select(caller: CallerDep, dialog_id: DialogId, selection: Selection) -> dict[str, Any]:
        """Publish the dialog's transcript for the dataset; never ends the dialog."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            revision = await select_dialog(
                transaction,
                transcripts,
                tenant=caller.tenant,
                subject=caller.subject,
                dialog_id=dialog_id,
                branch=selection.branch,
            )
        return {"dialog_id": dialog_id, "revision": revision}

    http_erasures.add_erasures(routes, database, patience)
    add_audit(routes, database)

    return routes


def _rater(caller: Caller) -> Rater:
    """Return as whom a caller rates: who may change the account's dialogs is its owner."""
    return "owner" if "dialogs:write" in caller.scopes else "operator"
