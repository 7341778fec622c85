"""What comes in by HTTP about suggestions: the queue, and what one decides on each."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Response

from chassis.database import Database
from chassis.errors import Text
from chassis.http import CallerDep
from chassis.objects import ObjectStore
from contracts.event import NO_NUL
from dataset_svc.domain import problems
from dataset_svc.domain import suggestion_problems as refusals
from dataset_svc.domain.suggestions import NAMES
from dataset_svc.domain.suggestions.reason import Name
from dataset_svc.inbound.http import MADE, Limit
from dataset_svc.inbound.requests import Moment, Request
from dataset_svc.outbound import agent_store, suggestion_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases import decide_suggestion as decide

QUEUE = "/v1/datasets/{dataset_id}/suggestions"
ONE = QUEUE + "/{dialog_id}"
SCOPES = {
    f"GET {QUEUE}": "dialogs:read",
    f"POST {ONE}/accept": "curate",
    f"POST {ONE}/skip": "curate",
    f"POST {ONE}/snooze": "curate",
    f"POST {ONE}/reopen": "curate",
}
DialogId = Annotated[str, Path(min_length=1, max_length=128, pattern=NO_NUL)]
Branch = Annotated[str, Query(max_length=128, pattern=NO_NUL)]
Cursor = Annotated[str | None, Query(max_length=1_000, pattern=NO_NUL)]
State = Literal["open", "accepted", "skipped", "snoozed"]
SUGGESTIONS = Text("suggestions", "предложений")
After = tuple[int, datetime, str, str]


class Snooze(Request):
    """Until when it is not shown."""

    until: Moment


def add_endpoints(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    """Add the endpoints of suggestions."""
    _add_decisions(routes, database, objects)

    @routes.get(QUEUE)
    async def list_suggestions(
        caller: CallerDep,
        dataset_id: UUID,
        reason: Name | None = None,
        state: State = "open",
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List dialogs that are worth a look, what counts most first, and how many have each reason."""
        after = _read_cursor(cursor) if cursor is not None else None
        async with database.tenant_transaction(caller.tenant) as transaction:
            connection = transaction.connection
            if await agent_store.get_dataset(connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            rows = await suggestion_store.page(
                connection,
                caller.tenant,
                dataset_id,
                state=state,
                reason=reason,
                after=after,
                limit=limit + 1,
            )
            counted = await suggestion_store.counts(connection, caller.tenant, dataset_id, state)
        counts = {row["name"]: row["count"] for row in counted}
        return {
            "total": counts.get("", 0),
            "reasons": {name: counts.get(name, 0) for name in NAMES},
            "items": [_suggestion(row) for row in rows[:limit]],
            "next_cursor": _cursor(rows[limit - 1]) if len(rows) > limit else None,
        }


def _add_decisions(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    @routes.post(f"{ONE}/accept", responses=MADE)
    async def accept(
        caller: CallerDep, dataset_id: UUID, dialog_id: DialogId, response: Response, branch: Branch = ""
    ) -> dict[str, Any]:
        """Take the dialog as an example; the same example when it is there already."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            opened = await decide.accept_suggestion(
                transaction, objects, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                dialog_id=dialog_id, branch=branch,
            )  # fmt: skip
        response.status_code = 201 if opened.how == "created" else 200
        return {"id": str(opened.id), "existing": opened.how == "existing", "dialog_id": dialog_id}

    @routes.post(f"{ONE}/skip", status_code=204)
    async def skip(caller: CallerDep, dataset_id: UUID, dialog_id: DialogId, branch: Branch = "") -> None:
        """Show it no more, unless another reason comes; `reopen` undoes it."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await decide.skip_suggestion(
                transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                dialog_id=dialog_id, branch=branch,
            )  # fmt: skip

    @routes.post(f"{ONE}/snooze", status_code=204)
    async def snooze(
        caller: CallerDep, dataset_id: UUID, dialog_id: DialogId, wanted: Snooze, branch: Branch = ""
    ) -> None:
        """Show it again from then on; `reopen` undoes it."""
        if wanted.until <= datetime.now(UTC):
            raise refusals.snooze_in_the_past()
        async with database.tenant_transaction(caller.tenant) as transaction:
            await decide.snooze_suggestion(
                transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                dialog_id=dialog_id, branch=branch, until=wanted.until,
            )  # fmt: skip

    @routes.post(f"{ONE}/reopen", status_code=204)
    async def reopen(caller: CallerDep, dataset_id: UUID, dialog_id: DialogId, branch: Branch = "") -> None:
        """Let what was skipped or put off be open again."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await decide.reopen_suggestion(
                transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                dialog_id=dialog_id, branch=branch,
            )  # fmt: skip


def _suggestion(row: Row) -> dict[str, Any]:
    return {
        "dialog_id": row["dialog_id"],
        "branch": row["branch"] or None,
        "revision": row["revision"],
        "source": row["source"],
        "outcome": row["outcome"],
        "message_count": row["message_count"],
        "opening": row["opening"] or "",
        "ended_at": row["ended_at"].isoformat(),
        "reasons": row["reasons"],
        "score": row["score"],
        "state": row["shows"],
        "snoozed_until": row["snoozed_until"].isoformat() if row["shows"] == "snoozed" else None,
        "example_id": str(row["example_id"]) if row["example_id"] else None,
        "decided_by": row["decided_by"],
        "decided_at": row["decided_at"].isoformat() if row["decided_at"] else None,
        "suggested_at": row["suggested_at"].isoformat(),
    }


def _cursor(row: Row) -> str:
    place = [row["score"], row["ended_at"].isoformat(), row["dialog_id"], row["branch"]]
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _read_cursor(text: str) -> After:
    """Return the place that a cursor names; raises a 422 Problem for anything else."""
    try:
        score, ended_at, dialog_id, branch = orjson.loads(base64.urlsafe_b64decode(text.encode()))
        moment = datetime.fromisoformat(ended_at)
        place = (int(score), moment.astimezone(UTC), str(dialog_id), str(branch))
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise problems.bad_cursor(SUGGESTIONS) from None
    if moment.tzinfo is None or abs(place[0]) >= 2**31 or "\0" in place[2] + place[3]:
        raise problems.bad_cursor(SUGGESTIONS)
    return place
