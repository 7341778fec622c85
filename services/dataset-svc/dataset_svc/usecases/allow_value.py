"""Let a value be no finding in a dataset: a hotline of one's own, a shop's address."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Transaction
from dataset_svc.domain import check_problems, problems
from dataset_svc.domain.personal import Kind, detect
from dataset_svc.outbound import agent_store, check_store, personal_store
from dataset_svc.outbound.row import Row

MOST = 1_000
"""Values that a dataset allows; each check reads them."""


async def allow_value(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    text: str,
    kind: Kind | None,
    why: str,
) -> Row:
    """Allow the one value that the text holds; examples with findings are checked again.

    `kind` stands for the words that would say in a message what it is. Raises a Problem without the dataset,
    or when the text holds no value or several.
    """
    connection = transaction.connection
    await check_store.wait_turn(connection, tenant, dataset_id)
    if await agent_store.get_dataset(connection, tenant, dataset_id) is None:
        raise problems.no_dataset()
    found = [one for one in detect(text, kind or "") if kind in (None, one.kind)]
    if len(found) != 1:
        raise check_problems.nothing_personal()
    if await personal_store.count_allowed(connection, tenant, dataset_id) >= MOST:
        raise check_problems.too_many_allowed(MOST)
    (one,) = found
    row = await personal_store.allow(
        connection, tenant, dataset_id, value_id=uuid7(), kind=one.kind, value=one.value,
        written=text[one.start : one.end], why=why, by=by,
    )  # fmt: skip
    if row is None:
        raise problems.no_dataset()
    await personal_store.queue_with_findings(connection, tenant, dataset_id)
    await audit.record(
        connection, tenant=tenant, subject=by, action="value.allowed", object_id=str(dataset_id),
        value_id=str(row["id"]), kind=one.kind,
    )  # fmt: skip
    return row


async def disallow_value(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, value_id: UUID
) -> None:
    """Let a value be a finding again: the whole dataset is checked again. Raises a 404 Problem."""
    connection = transaction.connection
    await check_store.wait_turn(connection, tenant, dataset_id)
    kind = await personal_store.disallow(connection, tenant, dataset_id, value_id)
    if kind is None:
        raise check_problems.no_allowed_value()
    await check_store.queue_dataset(connection, tenant, dataset_id, None)
    await audit.record(
        connection, tenant=tenant, subject=by, action="value.disallowed", object_id=str(dataset_id),
        value_id=str(value_id), kind=kind,
    )  # fmt: skip
