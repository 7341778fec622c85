"""What comes in by HTTP: find a dialog, read it, select it for the dataset."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from chassis.database import Database
from chassis.http import CallerDep, add_audit
from dialog_svc.domain.dialog import path_to
from dialog_svc.domain.errors import bad_cursor, no_dialog
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore, transcript_message
from dialog_svc.usecases.publish_dialog import nodes_of
from dialog_svc.usecases.select_dialog import select_dialog

SCOPES = {
    "GET /v1/dialogs": "dialogs:read",
    "GET /v1/dialogs/{dialog_id}": "dialogs:read",
    "POST /v1/dialogs/{dialog_id}/select": "curate",
    "GET /v1/audit": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]
Word = Annotated[str | None, Query(max_length=256)]


class Selection(BaseModel):
    """Which branch to publish; without one, the active branch."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    branch: Annotated[str, Field(min_length=1, max_length=128)] | None = None


def router(database: Database, transcripts: TranscriptStore) -> APIRouter:
    """Return the endpoints of dialog-svc."""
    routes = APIRouter()

    @routes.get("/v1/dialogs")
    async def list_dialogs(
        caller: CallerDep,
        agent_id: Word = None,
        source: Literal["live", "test"] | None = None,
        outcome: Word = None,
        rating: Literal["good", "bad"] | None = None,
        min_messages: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
        limit: Limit = 50,
        cursor: Annotated[str | None, Query(max_length=1024)] = None,
    ) -> dict[str, Any]:
        """List dialogs, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await store.list_dialogs(
                transaction.connection,
                caller.tenant,
                agent_id=agent_id,
                source=source,
                outcome=outcome,
                rating=rating,
                min_messages=min_messages,
                start=start,
                end=end,
                after=_read_cursor(cursor),
                limit=limit + 1,
            )
        items = [_summary(row) for row in rows[:limit]]
        return {"items": items, "next_cursor": _cursor(rows[limit - 1]) if len(rows) > limit else None}

    @routes.get("/v1/dialogs/{dialog_id}")
    async def get_dialog(caller: CallerDep, dialog_id: str) -> dict[str, Any]:
        """Return a dialog with the messages of its active branch, and its other branches by name."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await store.get_dialog(transaction.connection, caller.tenant, dialog_id)
            if row is None:
                raise no_dialog()
            found = await store.all_messages(transaction.connection, [(caller.tenant, dialog_id)])
        rows = found.get((caller.tenant, dialog_id), [])
        nodes = nodes_of(rows)
        by_id = {one["message_id"]: one for one in rows}
        path = path_to(row["leaf_id"], nodes) if row["leaf_id"] else []
        messages = [
            transcript_message(by_id[node.id]).model_dump(mode="json", exclude_none=True) for node in path
        ]
        branches = sorted({node.branch for node in nodes.values() if node.branch})
        return {**_summary(row), "branch": row["branch"], "branches": branches, "messages": messages}

    @routes.post("/v1/dialogs/{dialog_id}/select")
    async def select(caller: CallerDep, dialog_id: str, selection: Selection) -> dict[str, Any]:
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

    add_audit(routes, database)

    return routes


def _summary(row: store.Row) -> dict[str, Any]:
    return {
        "dialog_id": row["dialog_id"],
        "agent_id": row["agent_id"],
        "source": row["source"],
        "channel": row["channel"],
        "outcome": row["outcome"],
        "rating": row["rating"],
        "open": row["ended_at"] is None,
        "started_at": row["started_at"].isoformat(),
        "last_at": row["last_at"].isoformat(),
        "message_count": row["message_count"],
        "revision": row["revision"],
    }


def _cursor(row: store.Row) -> str:
    return base64.urlsafe_b64encode(
        json.dumps([row["last_at"].isoformat(), row["dialog_id"]]).encode()
    ).decode()


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        at, dialog_id = json.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(at), str(dialog_id)
    except (ValueError, TypeError):
        raise bad_cursor() from None
