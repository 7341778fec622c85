"""What comes in by HTTP about test chats: begin, read, choose a branch, delete."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent_svc.domain.chat_errors import no_chat
from agent_svc.domain.chat_moves import activate
from agent_svc.domain.chat_tree import Chat, Column
from agent_svc.domain.errors import no_agent
from agent_svc.inbound import test_chat_views as views
from agent_svc.inbound.http_agents import IfMatch, Limit, seen_version
from agent_svc.outbound import agent_store
from agent_svc.outbound import test_chat_store as store
from agent_svc.usecases.change_test_chat import Desk, change_test_chat, open_test_chat
from agent_svc.usecases.show_test_chat import show_test_chat
from chassis import audit
from chassis.database import Database
from chassis.http import CallerDep, language
from contracts.event import NO_NUL

SCOPES = {
    "GET /v1/agents/{agent_id}/test-dialogs": "dialogs:read",
    "POST /v1/agents/{agent_id}/test-dialogs": "curate",
    "GET /v1/test-dialogs/{test_dialog_id}": "dialogs:read",
    "DELETE /v1/test-dialogs/{test_dialog_id}": "curate",
    "PUT /v1/test-dialogs/{test_dialog_id}/active": "curate",
}
MADE: dict[int | str, dict[str, Any]] = {201: {"description": "Made now"}}
ROUTE_ONLY = [{"use": "route", "model": None}]


class ColumnIn(BaseModel):
    """Whom a column asks: what the route says, the base model, or a model by name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    use: Literal["route", "base", "model"] = "route"
    model: Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)] | None = None

    @model_validator(mode="after")
    def _named_if_by_name(self) -> ColumnIn:
        if (self.use == "model") != (self.model is not None):
            raise ValueError("model goes with use: model, and only with it")
        return self


class NewTestChat(BaseModel):
    """A test chat to begin; two columns ask two models side by side."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    title: str = Field("", max_length=256, pattern=NO_NUL)
    columns: list[ColumnIn] = Field(default_factory=lambda: [ColumnIn()], min_length=1, max_length=2)


class ActiveIn(BaseModel):
    """The message whose branch is to be remembered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    message_id: UUID


async def shown(
    database: Database, tenant: str, dialog_id: UUID, request: Request, response: Response
) -> dict[str, Any]:
    """Return a test chat as it is now, with its ETag."""
    async with database.tenant_transaction(tenant) as transaction:
        found = await show_test_chat(transaction.connection, tenant, dialog_id)
    response.headers["ETag"] = f'"{found.chat.revision}"'
    return views.chat(found, language(request))


def add_endpoints(routes: APIRouter, database: Database, desk: Desk) -> None:
    """Add the endpoints of test chats."""
    _add_of_agent(routes, database, desk)
    _add_of_one(routes, database, desk)


def _add_of_agent(routes: APIRouter, database: Database, desk: Desk) -> None:
    @routes.get("/v1/agents/{agent_id}/test-dialogs")
    async def list_test_dialogs(
        caller: CallerDep, agent_id: str, limit: Limit = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List an agent's test dialogs, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await agent_store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            rows = await store.list_chats(transaction.connection, caller.tenant, agent_id, cursor, limit + 1)
        following = str(rows[limit - 1]["dialog_id"]) if len(rows) > limit else None
        return {"items": [views.item(row) for row in rows[:limit]], "next_cursor": following}

    @routes.post("/v1/agents/{agent_id}/test-dialogs", status_code=201)
    async def begin_test_dialog(
        caller: CallerDep, agent_id: str, new: NewTestChat, request: Request, response: Response
    ) -> dict[str, Any]:
        """Begin a test dialog, in which you imitate a client."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            chat = await open_test_chat(
                transaction,
                desk.catalogue,
                tenant=caller.tenant,
                subject=caller.subject,
                agent_id=agent_id,
                title=new.title,
                columns=[Column(one.use, one.model) for one in new.columns],
            )
        return await shown(database, caller.tenant, UUID(chat.dialog_id), request, response)


def _add_of_one(routes: APIRouter, database: Database, desk: Desk) -> None:
    @routes.get("/v1/test-dialogs/{test_dialog_id}")
    async def get_test_dialog(
        caller: CallerDep, test_dialog_id: UUID, request: Request, response: Response
    ) -> dict[str, Any]:
        """Return the tree of messages and the remembered branches."""
        return await shown(database, caller.tenant, test_dialog_id, request, response)

    @routes.delete("/v1/test-dialogs/{test_dialog_id}", status_code=204)
    async def delete_test_dialog(caller: CallerDep, test_dialog_id: UUID) -> None:
        """Delete a test dialog here; what was published of it is dialog-svc's."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if not await store.delete_chat(transaction.connection, caller.tenant, test_dialog_id):
                raise no_chat()
            await audit.record(
                transaction.connection, tenant=caller.tenant, subject=caller.subject,
                action="test_dialog.deleted", object_id=str(test_dialog_id),
            )  # fmt: skip

    @routes.put("/v1/test-dialogs/{test_dialog_id}/active")
    async def choose_branch(
        caller: CallerDep,
        test_dialog_id: UUID,
        wanted: ActiveIn,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Go on with the branch through a message."""

        def change(chat: Chat) -> list[Any]:
            activate(chat, str(wanted.message_id))
            return []

        async with database.tenant_transaction(caller.tenant) as transaction:
            await change_test_chat(
                transaction, desk, change, tenant=caller.tenant, subject=caller.subject,
                dialog_id=test_dialog_id, seen=seen_version(if_match), action="test_dialog.branch_chosen",
            )  # fmt: skip
        return await shown(database, caller.tenant, test_dialog_id, request, response)
