"""Object storage through obstore: a folder, S3, GCS or Azure, by one URL.

URIs that travel in events are keys relative to the store, under the tenant's prefix; anything else
is refused before it is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import obstore
from obstore.store import LocalStore, S3Store, from_url

from chassis.errors import Permanent
from chassis.objects_settings import S3, ObjectsSettings
from chassis.secret import Read

if TYPE_CHECKING:  # these exist for the types' sake only
    from obstore.store import ClientConfig, S3Config, S3Credential
    from obstore.store import ObjectStore as ObstoreStore

KEYS_READ_EVERY = timedelta(minutes=1)


class ForeignUriError(Permanent):
    """A URI that does not lie under the tenant's prefix."""


class DamagedObjectError(Permanent):
    """The object's bytes are not those that its sha256 promises."""


class MissingObjectError(Permanent):
    """There is no object at this key."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was written: its key, sha256 (hex) and size in bytes."""

    uri: str
    sha256: str
    bytes: int


class Keys:
    """Gives obstore the S3 keys as they are now: it asks again when they are a minute old."""

    def __init__(self, access_key: Read, secret_key: Read) -> None:
        self._access_key, self._secret_key = access_key, secret_key

    def __call__(self) -> S3Credential:
        """Return the keys, and until when they are taken as they are."""
        return {
            "access_key_id": self._access_key(),
            "secret_access_key": self._secret_key(),
            "expires_at": datetime.now(UTC) + KEYS_READ_EVERY,
        }


def tenant_prefix(tenant: str) -> str:
    """Return the prefix under which everything of `tenant` lies."""
    return f"tenants/{quote(tenant, safe='').replace('.', '%2E')}/"


class ObjectStore:
    """Reads and writes objects; keys use `/`, never `..`."""

    def __init__(self, url: str, s3: S3Config | None = None, keys: Keys | None = None) -> None:
        if url.startswith("file://"):
            folder = Path(url.removeprefix("file://"))
            folder.mkdir(parents=True, exist_ok=True)
            self._store: ObstoreStore = LocalStore(folder, mkdir=True)
        elif url.startswith(S3):
            plain: ClientConfig = {"allow_http": (s3 or {}).get("endpoint", "").startswith("http://")}
            self._store = S3Store.from_url(url, config=s3, credential_provider=keys, client_options=plain)
        else:
            self._store = from_url(url)

    @classmethod
    def of(cls, settings: ObjectsSettings) -> Self:
        """Return the storage that the settings name."""
        s3: S3Config = {}
        if settings.objects_endpoint:
            s3["endpoint"] = settings.objects_endpoint
        if settings.objects_region:
            s3["region"] = settings.objects_region
        keys = Keys(*settings.objects_keys_now) if settings.objects_keys_given else None
        return cls(settings.objects_url, s3, keys)

    async def put(self, key: str, body: bytes) -> Stored:
        """Write a small object whole."""
        await obstore.put_async(self._store, key, body)
        return Stored(key, hashlib.sha256(body).hexdigest(), len(body))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> Stored:
        """Write an object piece by piece with flat memory; it appears only when complete."""
        digest = hashlib.sha256()
        size = 0
        async with obstore.open_writer_async(self._store, key, buffer_size=5 * 1024 * 1024) as writer:
            async for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                await writer.write(chunk)
        return Stored(key, digest.hexdigest(), size)

    async def get(self, key: str) -> bytes:
        """Return an object of the service's own, that no tenant named; raises MissingObjectError."""
        try:
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())
        except FileNotFoundError:
            raise MissingObjectError("the object is gone") from None

    def check(self, uri: str, tenant: str) -> str:
        """Return `uri` if it lies under the tenant's prefix; raises ForeignUriError otherwise."""
        parts = uri.split("/")
        if not uri.startswith(tenant_prefix(tenant)) or ".." in parts or "" in parts or "\\" in uri:
            raise ForeignUriError("the URI does not lie under the tenant's prefix")
        return uri

    async def read(self, uri: str, tenant: str, sha256: str) -> bytes:
        """Return a tenant's object; raises when it is foreign, missing or damaged."""
        key = self.check(uri, tenant)
        try:
            result = await obstore.get_async(self._store, key)
        except FileNotFoundError:
            raise MissingObjectError("the object is gone") from None
        body = bytes(await result.bytes_async())
        if hashlib.sha256(body).hexdigest() != sha256:
            raise DamagedObjectError("the object does not match its sha256")
        return body

    async def read_range(self, uri: str, tenant: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes of a tenant's object from `start`, which must lie inside it."""
        key = self.check(uri, tenant)
        try:
            return bytes(await obstore.get_range_async(self._store, key, start=start, length=length))
        except FileNotFoundError:
            raise MissingObjectError("the object is gone") from None

    async def stream(self, uri: str, tenant: str) -> AsyncIterator[bytes]:
        """Yield a tenant's object in chunks of about 1 MiB."""
        key = self.check(uri, tenant)
        try:
            result = await obstore.get_async(self._store, key)
        except FileNotFoundError:
            raise MissingObjectError("the object is gone") from None
        async for chunk in result.stream(min_chunk_size=1024 * 1024):
            yield bytes(chunk)

    async def delete(self, uri: str, tenant: str) -> None:
        """Delete a tenant's object; one that is gone already is no error."""
        try:
            await obstore.delete_async(self._store, self.check(uri, tenant))
        except FileNotFoundError:
            return

    async def delete_under(self, prefix: str, tenant: str) -> int:
        """Delete all of a tenant's objects under a prefix that ends with `/`; returns how many there were."""
        if not prefix.endswith("/"):
            raise ForeignUriError("a prefix ends with a slash")
        self.check(prefix.removesuffix("/"), tenant)
        return await self._delete_listed(prefix, None)

    async def delete_old(self, prefix: str, before: datetime) -> int:
        """Delete objects under a prefix that were written before a time; returns how many."""
        return await self._delete_listed(prefix, before)

    async def _delete_listed(self, prefix: str, before: datetime | None) -> int:
        found = 0
        async for chunk in obstore.list(self._store, prefix, chunk_size=500):
            paths = [one["path"] for one in chunk if before is None or one["last_modified"] < before]
            if paths:
                await obstore.delete_async(self._store, paths)
            found += len(paths)
        return found
