"""Ask that a dialog, or all dialogs of a client, be erased; a worker does it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit, tombstones
from chassis.database import Transaction
from chassis.tombstones import Tombstone
from dialog_svc.outbound import erasure_store as store

Kind = Literal["dialog", "client"]


async def ask_erasure(
    transaction: Transaction, *, tenant: str, subject: str, kind: Kind, asked_by: str, reason: str
) -> UUID:
    """Store the request and return its id; a dialog that was erased leads to the request by which it was.

    From now on nothing that was said before is taken in any more. A client may come back: asking again
    erases what was said since, by the same request while that is being served.
    """
    connection = transaction.connection
    hashed = tombstones.digest(tenant, subject)
    known = await store.same_request(connection, tenant, kind, hashed)
    if known is not None and kind == "dialog":
        return UUID(str(known["id"]))
    stone = (await tombstones.find(connection, "dialog", [(tenant, subject)])) if kind == "dialog" else {}
    if stone and (
        by_client := await store.request_of(connection, tenant, stone[tenant, subject]["erasure_id"])
    ):
        return by_client
    if known is not None and await store.repeat_request(connection, tenant, known["id"]):
        request_id = UUID(str(known["id"]))
    else:
        request_id = uuid7()
        await store.insert_request(
            connection,
            {
                "tenant_id": tenant, "id": request_id, "kind": kind, "subject_hmac": hashed,
                "subject": subject, "reason": reason, "asked_by": asked_by,
            },
        )  # fmt: skip
    if kind == "client":
        at = await connection.fetchval("SELECT clock_timestamp()")
        await tombstones.put(connection, [Tombstone(tenant, "client", subject, at, request_id)])
    await audit.record(
        connection,
        tenant=tenant,
        subject=asked_by,
        action="erasure.asked",
        object_id=str(request_id),
        kind=kind,
    )
    return request_id
