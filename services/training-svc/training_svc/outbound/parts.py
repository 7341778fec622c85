"""A large file in parts: read from object storage as it is sent, checked before it becomes a file."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from training_svc.domain.errors import ProviderError, RefusedError
from training_svc.domain.run import TrainingFile
from training_svc.outbound.answers import answered

if TYPE_CHECKING:
    from openai import AsyncOpenAI


async def upload_parts(
    client: AsyncOpenAI,
    name: str,
    file: TrainingFile,
    chunks: AsyncIterator[bytes],
    *,
    size: int,
    seconds: float,
) -> str:
    """Upload `file` in parts of `size` bytes and return its id; at most one part is in memory.

    The provider compares the md5, we the sha256 before we let it make the file; `seconds` are for each part.
    Raises RefusedError("file_damaged") when the bytes are not the frozen ones.
    """
    async with answered(seconds):
        upload = await client.uploads.create(
            bytes=file.bytes, filename=name, mime_type="text/jsonl", purpose="fine-tune"
        )
    whole, md5, part_ids = hashlib.sha256(), hashlib.md5(usedforsecurity=False), []
    try:
        async for part in in_parts(chunks, size):
            whole.update(part)
            md5.update(part)
            async with answered(seconds):
                part_ids.append((await client.uploads.parts.create(upload.id, data=part)).id)
        if whole.hexdigest() != file.sha256:
            raise RefusedError("file_damaged")
        async with answered(seconds):
            done = await client.uploads.complete(upload.id, part_ids=part_ids, md5=md5.hexdigest())
        return str(done.file.id if done.file else "")
    except ProviderError:
        # what is left of it would end by itself within the hour
        with contextlib.suppress(ProviderError):
            async with answered(seconds):
                await client.uploads.cancel(upload.id)
        raise


async def in_parts(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Cut a stream into parts of exactly `size` bytes, the last one excepted."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
