"""Write a pinned version to object storage with flat memory; any process may go on where one crashed."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from chassis.database import Database, Transaction
from chassis.errors import LeaseLostError, Transient
from chassis.objects import ObjectStore, Stored, tenant_prefix
from dataset_svc.domain.checks.copy import EXAMPLE_CONTEXT
from dataset_svc.domain.line import frame
from dataset_svc.domain.tokens import frame_tokens
from dataset_svc.outbound import freeze_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.request_training import publish_requests

SLICE = 5.0
"""Longest transaction in seconds: a session may hold one for 30."""
MAX_ATTEMPTS = 100
RETRY_AFTER = 10.0
PARTS = {"training": "", "validation": ".validation"}
EXAMPLES = ".examples"


class ErasedMeanwhileError(Transient):
    """What was written holds an example that was erased; the version has to be written again."""


@dataclass(slots=True)
class Totals:
    """What was written of a file so far."""

    examples: int = 0
    tokens: int = 0
    teaches: int = 0


class Freezer:
    """Writes pinned versions; many processes may run one, each version has one writer that counts."""

    def __init__(self, database: Database, objects: ObjectStore, *, lease: float) -> None:
        self._database = database
        self._objects = objects
        self._lease = lease

    async def freeze_next(self) -> bool:
        """Freeze the oldest version that waits; returns whether there was one."""
        async with self._database.transaction() as transaction:
            claimed = await freeze_store.claim(transaction.connection, self._lease)
        if claimed is None:
            return False
        if claimed["epoch"] > MAX_ATTEMPTS:
            await self._give_up(claimed, "freeze_keeps_failing")
            return True
        try:
            await self._freeze(claimed)
        except BaseException:
            if not await self._release(claimed):
                await self._delete(claimed, [claimed["epoch"]])
            raise
        return True

    async def _freeze(self, claimed: Row) -> None:
        async with self._database.transaction() as transaction:
            stretches = await freeze_store.stretches(transaction.connection, claimed)
        files: dict[str, Any] = {}
        totals = {part: Totals() for part in PARTS}
        for part, suffix in PARTS.items():
            of_part = [one for one in stretches if one["part"] == part]
            if of_part:
                stored = await self._put(claimed, suffix, self._lines(claimed, of_part, totals[part]))
                files[part] = _file(stored, totals[part])
        if totals["training"].examples < claimed["settings"]["min_examples"]:  # erased meanwhile
            await self._give_up(claimed, "too_few_examples")
            return
        listed = await self._put(claimed, EXAMPLES, self._listed(claimed, stretches))
        found = manifest(claimed, files, totals, listed, stretches)
        # before the version is ready: then nobody comes back for what a crash left
        await self._delete(claimed, range(1, claimed["epoch"]))
        async with self._database.transaction() as transaction:
            if not await freeze_store.finish(transaction.connection, claimed, found):
                raise LeaseLostError("another process froze this version")
            if await freeze_store.count_present(transaction.connection, claimed) != found["examples"]:
                raise ErasedMeanwhileError("an erasure took examples while they were written")
            await _publish(transaction, claimed)

    async def _put(self, claimed: Row, suffix: str, chunks: AsyncGenerator[bytes, None]) -> Stored:
        async with aclosing(chunks):
            return await self._objects.put_stream(_key(claimed, claimed["epoch"], suffix), chunks)

    async def _lines(
        self, claimed: Row, stretches: Sequence[Row], totals: Totals
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file block by block: the lines of a block come joined by newlines, frames go between."""
        for stretch in stretches:
            agent = claimed if stretch["agent_version"] == claimed["agent_version"] else stretch
            before, after = frame(
                agent["prompt"], agent["tools"], parallel_tool_calls=agent["parallel_tool_calls"]
            )
            around = frame_tokens(agent["prompt"], agent["tools"])

            def read(transaction: Transaction, first: int, one: Row = stretch, tokens: int = around) -> Any:
                return freeze_store.blocks(
                    transaction.connection, claimed, one, first, tokens, EXAMPLE_CONTEXT
                )

            async with aclosing(self._rows(claimed, read)) as rows:
                async for row in rows:
                    if row["lines"] is None:  # all of the block erased
                        continue
                    totals.examples += row["examples"]
                    totals.tokens += row["tokens"]
                    totals.teaches += row["teaches"]
                    yield before + row["lines"].encode().replace(b"\n", after + before) + after

    async def _listed(self, claimed: Row, stretches: Sequence[Row]) -> AsyncGenerator[bytes, None]:
        for stretch in stretches:

            def read(transaction: Transaction, first: int, one: Row = stretch) -> Any:
                return freeze_store.listed(transaction.connection, claimed, one, first)

            async with aclosing(self._rows(claimed, read)) as rows:
                async for row in rows:
                    yield row["lines"].encode() + b"\n"

    async def _rows(
        self, claimed: Row, read: Callable[[Transaction, int], AsyncGenerator[Row, None]]
    ) -> AsyncGenerator[Row, None]:
        """Yield rows by number: one server-side cursor for each slice of a few seconds."""
        following, more = 0, True
        while more:
            await self._prolong(claimed)
            more, until = False, time.monotonic() + SLICE
            async with (
                self._database.transaction() as transaction,
                aclosing(read(transaction, following)) as rows,
            ):
                async for row in rows:
                    following = row["number"] + 1
                    yield row
                    if time.monotonic() > until:
                        more = True
                        break

    async def _prolong(self, claimed: Row) -> None:
        async with self._database.transaction() as transaction:
            if not await freeze_store.prolong(transaction.connection, claimed, self._lease):
                raise LeaseLostError("another process freezes this version now")

    async def _release(self, claimed: Row) -> bool:
        """Let it be tried again soon; True when it is ready after all, and only the answer was lost."""
        async with self._database.transaction() as transaction:
            await freeze_store.prolong(transaction.connection, claimed, RETRY_AFTER)
            return await freeze_store.is_ready(transaction.connection, claimed)

    async def _delete(self, claimed: Row, epochs: Iterable[int]) -> None:
        await delete_files(self._objects, claimed, epochs)

    async def _give_up(self, claimed: Row, code: str) -> None:
        async with self._database.transaction() as transaction:
            if await freeze_store.fail(transaction.connection, claimed, code):
                await freeze_store.end_requests(transaction.connection, claimed)
        await self._delete(claimed, range(1, claimed["epoch"] + 1))


async def delete_files(objects: ObjectStore, version: Row, epochs: Iterable[int]) -> None:
    """Delete whatever these epochs wrote of a version: nothing will refer to it."""
    for epoch in epochs:
        for suffix in (*PARTS.values(), EXAMPLES):
            await objects.delete(_key(version, epoch, suffix), version["tenant_id"])


def _key(claimed: Row, epoch: int, suffix: str) -> str:
    """Return where an epoch writes a file: whoever comes after it knows what to delete."""
    return (
        f"{tenant_prefix(claimed['tenant_id'])}datasets/{claimed['dataset_id']}/"
        f"v{claimed['version']}-{epoch}{suffix}.jsonl"
    )


async def _publish(transaction: Transaction, claimed: Row) -> None:
    await publish_requests(transaction, claimed["tenant_id"], claimed["dataset_id"], claimed["version"])


def _file(stored: Stored, totals: Totals) -> dict[str, Any]:
    return {
        "uri": stored.uri,
        "sha256": stored.sha256,
        "bytes": stored.bytes,
        "examples": totals.examples,
        "tokens": totals.tokens,
    }


def manifest(
    claimed: Row, files: dict[str, Any], totals: dict[str, Totals], listed: Stored, stretches: Sequence[Row]
) -> dict[str, Any]:
    """Return what is known of the frozen files; tokens are those that a provider would train on."""
    return {
        "files": files,
        "examples": sum(one.examples for one in totals.values()),
        "tokens": sum(one.tokens for one in totals.values()),
        "teaches": sum(one.teaches for one in totals.values()),
        "tokens_per_line_of_prompt_and_functions": frame_tokens(claimed["prompt"], claimed["tools"]),
        "example_list": {"uri": listed.uri, "sha256": listed.sha256, "bytes": listed.bytes},
        "agent_versions": sorted({one["agent_version"] for one in stretches}),
        "prompt_fingerprint": claimed["prompt_fingerprint"],
        "settings": claimed["settings"],
        "warnings": claimed["warnings"],
    }
