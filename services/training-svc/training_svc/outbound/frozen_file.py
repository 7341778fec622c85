"""A frozen training file, brought from object storage to a local file with flat memory."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from chassis.objects import DamagedObjectError, ForeignUriError, MissingObjectError, ObjectStore
from training_svc.domain.errors import RefusedError
from training_svc.domain.run import TrainingFile


async def frozen_chunks(objects: ObjectStore, tenant: str, file: TrainingFile) -> AsyncIterator[bytes]:
    """Yield the file's bytes as they come; who reads them compares their sha256.

    Raises RefusedError when the file is gone.
    """
    try:
        async for chunk in objects.stream(file.uri, tenant):
            yield chunk
    except (MissingObjectError, ForeignUriError):
        raise RefusedError("file_damaged") from None


@asynccontextmanager
async def frozen_file(objects: ObjectStore, tenant: str, file: TrainingFile) -> AsyncIterator[IO[bytes]]:
    """Yield the file, rewound; raises RefusedError when it is gone or its bytes are not the frozen ones."""
    digest = hashlib.sha256()
    with tempfile.TemporaryFile() as local:
        try:
            async for chunk in objects.stream(file.uri, tenant):
                digest.update(chunk)
                await asyncio.to_thread(local.write, chunk)
            if digest.hexdigest() != file.sha256:
                raise DamagedObjectError("the object does not match its sha256")
        except (MissingObjectError, DamagedObjectError, ForeignUriError):
            raise RefusedError("file_damaged") from None
        local.seek(0)
        yield local
