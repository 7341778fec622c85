"""What comes in by HTTP about many dialogs: list and search, counts, ratings by model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from chassis.database import Database
from chassis.http import CallerDep
from dialog_svc.inbound import views
from dialog_svc.inbound.requests import Facts, Filters, Page, make_cursor
from dialog_svc.outbound import listing_store as store
from dialog_svc.usecases.find_dialogs import count_dialogs, page_of_dialogs

SCOPES = {
    "GET /v1/dialogs": "dialogs:read",
    "GET /v1/dialogs/counts": "dialogs:read",
    "GET /v1/dialogs/ratings": "dialogs:read",
}
OPENING = 200
"""Characters of what a dialog began with."""


class RatingsAsked(Facts):
    """Ratings of which dialogs, summed by what."""

    group_by: Literal["model"] = "model"


def add_lists(routes: APIRouter, database: Database) -> None:
    """Add the endpoints about many dialogs."""

    @routes.get("/v1/dialogs")
    async def list_dialogs(caller: CallerDep, page: Annotated[Page, Query()]) -> dict[str, Any]:
        """List or search dialogs.

        `listing_lag_seconds` is how far the list may be behind what was taken in.
        """
        after = page.after()
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await page_of_dialogs(
                transaction.connection, page.search(), page.sort, after, page.limit + 1
            )
            lag = await store.listing_lag(transaction.connection)
            items = rows[: page.limit]
            said = await store.openings(transaction.connection, caller.tenant, items, OPENING)
        following = None
        if len(rows) > page.limit:
            value = items[-1]["last_at" if page.sort in ("newest", "oldest") else "message_count"]
            following = make_cursor(page.sort, value, items[-1]["dialog_id"])
        return {
            "items": [views.listed(row, said.get(row["dialog_id"])) for row in items],
            "next_cursor": following,
            "listing_lag_seconds": round(lag.total_seconds(), 3),
        }

    @routes.get("/v1/dialogs/counts")
    async def count(caller: CallerDep, filters: Annotated[Filters, Query()]) -> dict[str, Any]:
        """Count the dialogs that match, and for each filter's values those that the other filters leave.

        Exact up to 10,000; above, `more` is true.
        """
        async with database.tenant_transaction(caller.tenant) as transaction:
            counts = await count_dialogs(transaction.connection, caller.tenant, filters.search())
        return views.counted(counts)

    @routes.get("/v1/dialogs/ratings")
    async def sum_ratings(caller: CallerDep, asked: Annotated[RatingsAsked, Query()]) -> dict[str, Any]:
        """Sum good and bad ratings for each model that answered, of its answers and of its dialogs."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await store.ratings_by_model(transaction.connection, asked.filters())
        return views.by_model(rows)
