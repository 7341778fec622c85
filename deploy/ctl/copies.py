"""Objects copied between stores, each known by its sha256."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

import obstore

AT_A_TIME = 8
CHUNK = 5 * 1024 * 1024


class DamagedCopyError(Exception):
    """What was read back is not what was written."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One object: where it lies below its store, sha256 (hex), size in bytes."""

    path: str
    sha256: str
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For the list of a backup."""
        return asdict(self)


async def paths(store: Any, prefix: str = "") -> AsyncIterator[str]:
    """All objects of a store."""
    async for chunk in obstore.list(store, prefix or None, chunk_size=500):
        for one in chunk:
            yield one["path"]


async def copy(source: Any, path: str, target: Any, to: str) -> Copied | None:
    """Copy an object with flat memory; None when it is gone meanwhile."""
    try:
        found = await obstore.get_async(source, path)
    except FileNotFoundError:
        return None
    digest, size = hashlib.sha256(), 0
    async with obstore.open_writer_async(target, to, buffer_size=CHUNK) as writer:
        async for chunk in found.stream(min_chunk_size=1024 * 1024):
            digest.update(chunk)
            size += len(chunk)
            await writer.write(bytes(chunk))
    return Copied(path, digest.hexdigest(), size)


async def copy_all(source: Any, target: Any, folder: str) -> list[Copied]:
    """Copy every object of a store below `folder/` of another, some at a time."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(path: str) -> Copied | None:
        async with gate:
            return await copy(source, path, target, f"{folder}/{path}")

    copied = await asyncio.gather(*[one(path) async for path in paths(source)])
    return sorted((found for found in copied if found), key=lambda found: found.path)


async def put_back(source: Any, folder: str, target: Any, wanted: list[Copied]) -> None:
    """Copy objects back from `folder/`; raises DamagedCopyError when one is not what its sha256 says."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(was: Copied) -> None:
        async with gate:
            found = await copy(source, f"{folder}/{was.path}", target, was.path)
        if found is None or found.sha256 != was.sha256:
            raise DamagedCopyError(f"{was.path} is missing from the backup, or damaged")

    await asyncio.gather(*map(one, wanted))
