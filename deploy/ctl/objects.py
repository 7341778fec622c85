"""`mortarboardctl objects check`: does object storage take, give back and delete; has it what rows name."""

import asyncio
import secrets

from obstore.exceptions import BaseError

from chassis.objects import ObjectStore, tenant_prefix
from chassis.objects_settings import ObjectsSettings
from deploy.ctl import named
from deploy.ctl.copies import paths
from deploy.ctl.database import database_name, known

PATIENCE_S, LOOK_AGAIN_S = 60.0, 1.0
NOBODY = "mortarboardctl"
"""Below the prefix of a tenant that is none."""


class StorageError(Exception):
    """Object storage does not do what services need of it."""


async def check() -> None:
    """Write, read and delete an object; a storage that does not answer yet is waited for."""
    settings = ObjectsSettings()
    store = ObjectStore.of(settings)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            await _once(store)
            break
        except (BaseError, OSError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise StorageError(f"{settings.objects_url}: {str(error).splitlines()[0]}") from None
            await asyncio.sleep(LOOK_AGAIN_S)
    print(f"{settings.objects_url} takes objects, gives them back and deletes them")


async def check_rows() -> None:
    """Look whether everything is there that the database names; raises StorageError with all that is not.

    What rows named before the look is looked for; what was erased is not missed.
    """
    settings = ObjectsSettings()
    store, url = ObjectStore.of(settings), settings.objects_url
    wanted = await named.by_rows(known(), database_name())
    missing = named.missing(wanted, [path async for path in paths(store._store)])
    missing = await named.still(known(), database_name(), missing)
    if missing:
        raise StorageError(f"{url} lacks {len(missing)} objects that rows name:{named.in_words(missing)}")
    print(f"all {len(wanted)} objects that rows name are there")


async def _once(store: ObjectStore) -> None:
    body = secrets.token_bytes(1024)
    stored = await store.put(f"{tenant_prefix(NOBODY)}check/{secrets.token_hex(8)}", body)
    if await store.read(stored.uri, NOBODY, stored.sha256) != body:
        raise StorageError("what was read is not what was written")
    if await store.delete_under(f"{tenant_prefix(NOBODY)}check/", NOBODY) < 1:
        raise StorageError("what was written is not listed")
