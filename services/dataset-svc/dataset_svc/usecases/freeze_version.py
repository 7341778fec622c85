"""Freeze a version: pin what it holds, then write it to object storage with flat memory."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.database import Database, Transaction
from chassis.errors import LeaseLostError
from chassis.objects import ObjectStore, Stored, tenant_prefix
from dataset_svc.domain import problems
from dataset_svc.domain.line import frame
from dataset_svc.domain.tokens import count_message, count_tools
from dataset_svc.outbound import agent_store, version_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.request_training import publish_requests

CHUNK = 256 * 1024
SLICE = 5.0
"""Longest transaction in seconds: a session may hold one for 30."""
MAX_ATTEMPTS = 100
RETRY_AFTER = 10.0


@dataclass(slots=True)
class Totals:
    """What was written so far."""

    examples: int = 0
    tokens: int = 0
    teaches: int = 0


async def begin_version(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, least: int
) -> int:
    """Number a new version and pin its examples, prompt and functions; returns the number.

    Raises a Problem without the dataset, without the agent, or below `least` saved examples.
    """
    connection = transaction.connection
    if not await version_store.lock_dataset(connection, tenant, dataset_id):
        raise problems.no_dataset()
    saved = await version_store.count_saved(connection, tenant, dataset_id)
    if saved < least:
        raise problems.too_few_examples(saved, least)
    dataset = await agent_store.get_dataset(connection, tenant, dataset_id)
    agent = await agent_store.get_agent(connection, tenant, dataset["agent_id"]) if dataset else None
    if agent is None:
        raise problems.agent_unknown()
    version = await version_store.create(connection, tenant, dataset_id, agent, saved, by)
    await version_store.pin_examples(connection, tenant, dataset_id, version)
    await audit.record(
        connection, tenant=tenant, subject=by, action="version.frozen", object_id=str(dataset_id),
        version=version,
    )  # fmt: skip
    return version


class Freezer:
    """Writes pinned versions; many processes may run one, each version has one writer that counts."""

    def __init__(self, database: Database, objects: ObjectStore, *, lease: float, least: int) -> None:
        self._database = database
        self._objects = objects
        self._lease = lease
        self._least = least

    async def freeze_next(self) -> bool:
        """Freeze the oldest version that waits; returns whether there was one."""
        async with self._database.transaction() as transaction:
            claimed = await version_store.claim(transaction.connection, self._lease)
        if claimed is None:
            return False
        if claimed["epoch"] > MAX_ATTEMPTS:
            await self._give_up(claimed, "freeze_keeps_failing")
            return True
        try:
            await self._freeze(claimed)
        except BaseException:
            await self._release(claimed)
            raise
        return True

    async def _freeze(self, claimed: Row) -> None:
        totals = Totals()
        key = (
            f"{tenant_prefix(claimed['tenant_id'])}datasets/{claimed['dataset_id']}/"
            f"v{claimed['version']}-{claimed['epoch']}.jsonl"
        )
        async with aclosing(self._chunks(claimed, totals)) as chunks:
            stored = await self._objects.put_stream(key, chunks)
        if totals.examples < self._least:  # erased meanwhile
            await self._objects.delete(key, claimed["tenant_id"])
            await self._give_up(claimed, "too_few_examples")
            return
        async with self._database.transaction() as transaction:
            counts = await version_store.finish(
                transaction.connection, claimed, manifest(claimed, totals, stored)
            )
            if counts:
                await publish_requests(
                    transaction, claimed["tenant_id"], claimed["dataset_id"], claimed["version"]
                )
        if not counts:
            await self._objects.delete(key, claimed["tenant_id"])

    async def _chunks(self, claimed: Row, totals: Totals) -> AsyncGenerator[bytes, None]:
        """Yield the file in pieces: one server-side cursor for each slice of a few seconds."""
        before, after = frame(
            claimed["prompt"], claimed["tools"], parallel_tool_calls=claimed["parallel_tool_calls"]
        )
        buffer, last, more = bytearray(), None, True
        while more:
            await self._prolong(claimed)
            more, until = False, time.monotonic() + SLICE
            async with (
                self._database.transaction() as transaction,
                aclosing(version_store.lines(transaction.connection, claimed, last)) as rows,
            ):
                async for row in rows:
                    buffer += before + row["line"].encode() + after
                    last = row["example_id"]
                    totals.examples += 1
                    totals.tokens += row["tokens"]
                    totals.teaches += row["teaches"]
                    if len(buffer) >= CHUNK:
                        yield bytes(buffer)
                        buffer.clear()
                    if time.monotonic() > until:
                        more = True
                        break
        if buffer:
            yield bytes(buffer)

    async def _prolong(self, claimed: Row) -> None:
        async with self._database.transaction() as transaction:
            if not await version_store.prolong(transaction.connection, claimed, self._lease):
                raise LeaseLostError("another process freezes this version now")

    async def _release(self, claimed: Row) -> None:
        async with self._database.transaction() as transaction:
            await version_store.prolong(transaction.connection, claimed, RETRY_AFTER)

    async def _give_up(self, claimed: Row, code: str) -> None:
        async with self._database.transaction() as transaction:
            await version_store.fail(transaction.connection, claimed, code)


def manifest(claimed: Row, totals: Totals, stored: Stored) -> dict[str, Any]:
    """Return what is known of the frozen file; tokens are those that a provider would train on."""
    prompt = claimed["prompt"]
    frame_tokens = count_tools(claimed["tools"])
    if prompt:
        frame_tokens += count_message({"role": "system", "content": prompt})
    tokens = totals.tokens + frame_tokens * totals.examples
    training = {
        "uri": stored.uri,
        "sha256": stored.sha256,
        "bytes": stored.bytes,
        "examples": totals.examples,
        "tokens": tokens,
    }
    return {
        "files": {"training": training},
        "examples": totals.examples,
        "tokens": tokens,
        "tokens_per_line_of_prompt_and_functions": frame_tokens,
        "teaches": totals.teaches,
    }
