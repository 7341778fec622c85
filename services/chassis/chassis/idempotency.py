"""Idempotency-Key: the same request sent again gets the first answer and starts nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from chassis.database import Connection
from chassis.errors import Problem, Text

MAX_KEY = 255


async def once(
    connection: Connection,
    *,
    tenant: str,
    key: str,
    endpoint: str,
    request: bytes,
    act: Callable[[], Awaitable[tuple[int, dict[str, Any]]]],
) -> tuple[int, dict[str, Any]]:
    """Run `act` and remember its answer in the same transaction; a repeated key returns that answer.

    `endpoint` names the operation and its object; without a key every request acts.
    Raises a 422 Problem when the key was used for another request.
    """
    if not key:
        return await act()
    if len(key) > MAX_KEY or "\x00" in key:
        raise Problem(
            422,
            "idempotency_key_invalid",
            Text("Idempotency-Key is too long.", "Idempotency-Key слишком длинный."),
            action=Text("Send at most 255 characters.", "Не больше 255 знаков."),
            field="Idempotency-Key",
        )
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{tenant}\x1f{endpoint}\x1f{key}"
    )
    digest = hashlib.sha256(request).hexdigest()
    known = await connection.fetchrow(
        "SELECT request_sha256, status, answer FROM idempotency_keys "
        "WHERE tenant_id = $1 AND key = $2 AND endpoint = $3",
        tenant,
        key,
        endpoint,
    )
    if known is not None:
        if known["request_sha256"] != digest:
            raise Problem(
                422,
                "idempotency_key_reused",
                Text(
                    "This Idempotency-Key belongs to another request.",
                    "Этот Idempotency-Key относится к другому запросу.",
                ),
                action=Text("Use a new key.", "Возьмите новый ключ."),
                field="Idempotency-Key",
            )
        return known["status"], known["answer"]
    status, answer = await act()
    await connection.execute(
        "INSERT INTO idempotency_keys (tenant_id, key, endpoint, request_sha256, status, answer) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        key,
        endpoint,
        digest,
        status,
        answer,
    )
    return status, answer
