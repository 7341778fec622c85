"""What comes in by HTTP about lineage: from any link back to the dialogs, and on to what serves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from chassis.database import Database
from chassis.errors import Text
from chassis.http import CallerDep
from dataset_svc.domain import problems
from dataset_svc.domain.lineage import Kind, read_place
from dataset_svc.inbound import lineage_views
from dataset_svc.inbound.http import Limit, ShortText
from dataset_svc.usecases.trace_lineage import Asked, trace_lineage

SCOPES = {"GET /v1/lineage/{kind}/{node_id:path}": "dialogs:read"}
NodeId = Annotated[str, Path(min_length=1, max_length=512)]


def add_endpoints(routes: APIRouter, database: Database) -> None:
    """Add the endpoint of lineage."""

    # names of models hold slashes at some providers: what follows the kind is the id, whatever is in it
    @routes.get("/v1/lineage/{kind}/{node_id:path}")
    async def lineage(
        caller: CallerDep, kind: Kind, node_id: NodeId, limit: Limit = 50, cursor: ShortText = None
    ) -> dict[str, Any]:
        """Return what it came of and what came of it, with hashes; `limit` and `cursor` page the examples.

        A version's id is `{dataset_id}:{number}`, a model's the name that its provider gave it, an
        activation's its own, or `{agent_id}:{route_version}`.
        """
        after = read_place(cursor) if cursor is not None else None
        if cursor is not None and after is None:
            raise problems.bad_cursor(Text("examples", "примеров"))
        async with database.tenant_transaction(caller.tenant) as transaction:
            asked = Asked(transaction.connection, caller.tenant, node_id, after, limit)
            found = await trace_lineage(kind, asked)
        return lineage_views.lineage(found, limit)
