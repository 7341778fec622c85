"""Objects copied between stores, each known by its sha256."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import obstore

AT_A_TIME = 8
CHUNK = 5 * 1024 * 1024


class DamagedError(Exception):
    """An object is not what its sha256 says."""


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


async def copy(source: Any, path: str, target: Any, to: str, sha256: str = "") -> Copied | None:
    """Copy an object with flat memory; None when it is gone meanwhile.

    With the sha256 that it should have: raises DamagedError for another, and the target stays what it was.
    """
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
        if sha256 and digest.hexdigest() != sha256:
            raise DamagedError(path)  # within: what a writer does not close is never there
    return Copied(path, digest.hexdigest(), size)


async def copy_all(source: Any, paths: Iterable[str], target: Any, folder: str) -> list[Copied]:
    """Copy objects of a store below `folder/` of another, some at a time; one that is gone is left out."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(path: str) -> Copied | None:
        async with gate:
            return await copy(source, path, target, f"{folder}/{path}")

    copied = await asyncio.gather(*map(one, paths))
    return sorted((found for found in copied if found), key=lambda found: found.path)


async def put_back(source: Any, folder: str, target: Any, wanted: list[Copied]) -> list[str]:
    """Copy objects back from `folder/`; returns those that are not there as their sha256 says.

    Of these nothing is written: the target may hold them whole.
    """
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(was: Copied) -> bool:
        try:
            async with gate:
                found = await copy(source, f"{folder}/{was.path}", target, was.path, was.sha256)
        except DamagedError:
            return False
        return found is not None

    whole = await asyncio.gather(*map(one, wanted))
    return [was.path for was, is_whole in zip(wanted, whole, strict=True) if not is_whole]
