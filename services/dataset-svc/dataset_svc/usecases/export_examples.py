"""Export a dataset's examples line by line, a slice at a time: memory does not grow with the dataset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import orjson

from chassis import audit
from chassis.database import Database
from dataset_svc.domain import problems
from dataset_svc.domain.filter import Filter
from dataset_svc.domain.line import frame
from dataset_svc.outbound import agent_store, import_store
from dataset_svc.outbound.row import Row

SLICE = 100
FIELDS = (
    "dialog_id", "branch", "source", "origin_revision", "state", "saved_revision", "ratings", "note", "tags",
    "copied_revision", "copied_dialog_id", "changed_by", "original",
)  # fmt: skip


async def export_examples(
    database: Database,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    form: Literal["openai", "json"],
    wanted: Filter,
) -> AsyncIterator[bytes]:
    """Return the lines in slices: OpenAI's chat format of what is saved, or all that is known of each.

    Raises a Problem without the dataset, or in OpenAI's format without its agent.
    """
    async with database.tenant_transaction(tenant) as transaction:
        connection = transaction.connection
        if await agent_store.get_dataset(connection, tenant, dataset_id) is None:
            raise problems.no_dataset()
        agent = await agent_store.agent_of_dataset(connection, tenant, dataset_id)
        if agent is None and form == "openai":
            raise problems.agent_unknown()
        await audit.record(
            connection, tenant=tenant, subject=by, action="examples.exported", object_id=str(dataset_id),
            format=form,
        )  # fmt: skip
    if form == "json" or agent is None:
        return _slices(database, tenant, dataset_id, wanted, _full_line)
    before, after = frame(agent["prompt"], agent["tools"], parallel_tool_calls=agent["parallel_tool_calls"])
    saved = replace(wanted, state="saved")
    return _slices(database, tenant, dataset_id, saved, lambda row: before + row["line"].encode() + after)


async def _slices(
    database: Database, tenant: str, dataset_id: UUID, wanted: Filter, line: Callable[[Row], bytes]
) -> AsyncIterator[bytes]:
    last = UUID(int=0)
    while True:
        async with database.tenant_transaction(tenant) as transaction:
            rows = await import_store.page_to_export(
                transaction.connection, tenant, dataset_id, wanted, last, SLICE
            )
        if not rows:
            return
        yield b"".join(map(line, rows))
        last = rows[-1]["id"]


def _full_line(row: Row) -> bytes:
    known: dict[str, Any] = {name: row[name] for name in FIELDS}
    copied = str(row["copied_example_id"]) if row["copied_example_id"] else None
    saved = row["saved"] if row["saved"] != row["draft"] else None
    line = {"id": str(row["id"]), **known, "copied_example_id": copied, "saved": saved}
    line["branch"] = row["branch"] or None
    line["changed_at"] = row["changed_at"].isoformat()
    return orjson.dumps(line | {"messages": row["draft"]}) + b"\n"
