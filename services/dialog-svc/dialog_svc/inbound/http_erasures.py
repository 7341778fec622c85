"""What comes in by HTTP about erasure: ask for it, and read the record that proves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query

from chassis.auth import Caller
from chassis.database import Database
from chassis.http import CallerDep
from contracts.event import Label, OpaqueId
from dialog_svc.domain.errors import no_dialog, no_erasure
from dialog_svc.inbound import erasure_views as views
from dialog_svc.inbound.requests import NewErasure
from dialog_svc.outbound import erasure_store as store
from dialog_svc.usecases.ask_erasure import Kind, ask_erasure

SCOPES = {
    "DELETE /v1/dialogs/{dialog_id}": "dialogs:write",
    "POST /v1/erasures": "dialogs:write",
    "GET /v1/erasures": "dialogs:read",
    "GET /v1/erasures/{erasure_id}": "dialogs:read",
}
LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request waits until it is done, and how it wakes who does it."""

    seconds: float
    wake: Callable[[], None]


def add_erasures(routes: APIRouter, database: Database, patience: Patience) -> None:
    """Add the endpoints of erasure."""

    async def ask(caller: Caller, kind: Kind, subject: str, reason: str) -> dict[str, Any]:
        async with database.tenant_transaction(caller.tenant) as transaction:
            request_id = await ask_erasure(
                transaction, tenant=caller.tenant, subject=subject, kind=kind, asked_by=caller.subject,
                reason=reason,
            )  # fmt: skip
        patience.wake()
        return await _settled(database, caller.tenant, request_id, patience.seconds)

    @routes.delete("/v1/dialogs/{dialog_id}", status_code=202)
    async def erase(
        caller: CallerDep, dialog_id: Annotated[OpaqueId, Path()], reason: Annotated[Label, Query()] = "asked"
    ) -> dict[str, Any]:
        """Erase a dialog everywhere; returns the record, which is complete once every service has spoken."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if not await store.is_known(transaction.connection, caller.tenant, dialog_id):
                raise no_dialog()
        return await ask(caller, "dialog", dialog_id, reason)

    @routes.post("/v1/erasures", status_code=202)
    async def erase_any(caller: CallerDep, wanted: NewErasure) -> dict[str, Any]:
        """Erase a dialog, known here or not, or all that a client said until now."""
        if wanted.dialog_id is not None:
            return await ask(caller, "dialog", wanted.dialog_id, wanted.reason)
        return await ask(caller, "client", wanted.client or "", wanted.reason)

    _add_reading(routes, database)


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/erasures")
    async def list_erasures(
        caller: CallerDep, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List requests to erase, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await store.list_requests(transaction.connection, caller.tenant, limit + 1, cursor)
        following = str(rows[limit - 1]["id"]) if len(rows) > limit else None
        return {"items": [views.listed(row) for row in rows[:limit]], "next_cursor": following}

    @routes.get("/v1/erasures/{erasure_id}")
    async def get_erasure(
        caller: CallerDep,
        erasure_id: UUID,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """Return the record: per dialog who forgot what, what is left, and when the last log copy expires."""
        return await _record(database, caller.tenant, erasure_id, limit, cursor)


async def _settled(database: Database, tenant: str, request_id: UUID, seconds: float) -> dict[str, Any]:
    """Return the record once the dialog went here, or as it is after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        async with database.tenant_transaction(tenant) as transaction:
            request = await store.get_request(transaction.connection, tenant, request_id)
        if request is None or request["subject"] is None:
            break
        await asyncio.sleep(LOOK_AGAIN)
    return await _record(database, tenant, request_id, 50, None)


async def _record(
    database: Database, tenant: str, request_id: UUID, limit: int, cursor: UUID | None
) -> dict[str, Any]:
    async with database.tenant_transaction(tenant) as transaction:
        connection = transaction.connection
        request = await store.get_request(connection, tenant, request_id)
        if request is None:
            raise no_erasure()
        erasures = await store.erasures_of(connection, tenant, request_id, limit + 1, cursor)
        shown = erasures[:limit]
        reports = await store.reports_of(connection, tenant, [row["id"] for row in shown])
        summary = await store.summary_of(connection, tenant, request)
    following = str(shown[-1]["id"]) if len(erasures) > limit else None
    return views.record(request, summary, shown, reports, following)
