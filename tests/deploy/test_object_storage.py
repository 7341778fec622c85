"""chassis.objects, and backups, on the S3 server of the composition."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.exceptions import BaseError

from chassis.objects import MissingObjectError, ObjectStore, tenant_prefix
from chassis.objects_settings import ObjectsSettings
from deploy.containers import compose, standins
from deploy.containers.engine import Docker
from deploy.stack.services import Surroundings
from deploy.stack.settings import free_ports
from tests.deploy.composition import ours
from tests.harness import until
from tests.operators import name_object, operators_tool

BUCKET, BACKUPS, TENANT = "objects", "backups", "acme"
ACCESS, SECRET = "an-access-key", "a-secret-key"


def image() -> str:
    """The stand-in, or what the composition takes where official images do."""
    official = re.search(r"{MORTARBOARD_S3_IMAGE:-(.+)}", compose.FILE.read_text())
    assert official
    return standins.S3 if standins.wanted() else os.environ.get("MORTARBOARD_S3_IMAGE") or official[1]


@pytest.fixture(scope="module")
def endpoint(built: Docker) -> Iterator[str]:
    (port,) = free_ports(1)
    words = f"mkdir -p /tmp/data/{BUCKET} /tmp/data/{BACKUPS} && exec versitygw --port :7070 posix /tmp/data"
    env = (f"--env=ROOT_ACCESS_KEY={ACCESS}", f"--env=ROOT_SECRET_KEY={SECRET}")
    publish = f"--publish=127.0.0.1:{port}:7070"
    shell = ("--entrypoint=/bin/sh", image(), "-ec", words)
    container = built.run("run", "--detach", ours(), publish, *env, *shell).strip()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        built.run("rm", "--force", "--volumes", container)


@pytest.fixture
async def store(endpoint: str, tmp_path: Path) -> ObjectStore:
    (tmp_path / "access").write_text(ACCESS + "\n")
    (tmp_path / "secret").write_text(SECRET + "\n")
    settings = ObjectsSettings(
        objects_url=f"s3://{BUCKET}",
        objects_endpoint=endpoint,
        objects_region="us-east-1",
        objects_access_key_file=tmp_path / "access",
        objects_secret_key_file=tmp_path / "secret",
    )
    made = ObjectStore.of(settings)

    async def takes() -> bool:
        try:
            await made.put("started", b"")
        except BaseError:
            return False
        return True

    await until(takes, 30, "the storage takes an object")
    return made


def key(name: str = "object") -> str:
    return f"{tenant_prefix(TENANT)}{secrets.token_hex(6)}/{name}"


async def test_what_is_written_is_read(store: ObjectStore) -> None:
    body = secrets.token_bytes(100_000)
    stored = await store.put(key(), body)
    assert await store.read(stored.uri, TENANT, stored.sha256) == body
    assert await store.read_range(stored.uri, TENANT, 70_000, 5) == body[70_000:70_005]


async def test_a_large_object_is_written_and_read_in_pieces(store: ObjectStore) -> None:
    pieces = [secrets.token_bytes(3_000_000) for _ in range(4)]

    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    stored = await store.put_stream(key(), chunks())
    digest = hashlib.sha256()
    async for piece in store.stream(stored.uri, TENANT):
        digest.update(piece)
    assert (stored.bytes, stored.sha256) == (12_000_000, digest.hexdigest())


async def test_a_stream_that_breaks_off_leaves_no_object(store: ObjectStore) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield secrets.token_bytes(6_000_000)
        raise RuntimeError("no more")

    where = key()
    with pytest.raises(RuntimeError):
        await store.put_stream(where, chunks())
    with pytest.raises(MissingObjectError):
        await store.read(where, TENANT, "")


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: ObjectStore) -> None:
    stored = await store.put(key(), b"text")
    await store.delete(stored.uri, TENANT)
    await store.delete(stored.uri, TENANT)
    with pytest.raises(MissingObjectError):
        await store.read(stored.uri, TENANT, stored.sha256)
    with pytest.raises(MissingObjectError):
        [piece async for piece in store.stream(stored.uri, TENANT)]


async def test_a_folder_is_deleted_whole_and_nothing_beside_it(store: ObjectStore) -> None:
    folder = key("")
    await asyncio.gather(*(store.put(f"{folder}{number}", b"text") for number in range(30)))
    beside = await store.put(f"{folder.rstrip('/')}beside", b"text")
    assert await store.delete_under(folder, TENANT) == 30
    assert await store.delete_under(folder, TENANT) == 0
    assert await store.read(beside.uri, TENANT, beside.sha256) == b"text"


async def test_only_what_is_older_is_let_go(store: ObjectStore) -> None:
    folder = key("")
    await store.put(f"{folder}one", b"text")
    assert await store.delete_old(folder, datetime.now(UTC) - timedelta(minutes=5)) == 0
    assert await store.delete_old(folder, datetime.now(UTC) + timedelta(minutes=5)) == 1


async def test_a_wrong_key_is_refused(endpoint: str) -> None:
    settings = ObjectsSettings.model_validate({
        "objects_url": f"s3://{BUCKET}", "objects_endpoint": endpoint, "objects_region": "us-east-1",
        "objects_access_key": ACCESS, "objects_secret_key": "another",
    })  # fmt: skip
    with pytest.raises(BaseError):
        await ObjectStore.of(settings).put(key(), b"text")


async def test_a_backup_goes_from_storage_into_storage_and_back(
    endpoint: str, store: ObjectStore, surroundings: Surroundings, tmp_path: Path
) -> None:
    ctl = operators_tool(
        surroundings,
        tmp_path,
        MORTARBOARD_OBJECTS_URL=f"s3://{BUCKET}",
        MORTARBOARD_OBJECTS_ENDPOINT=endpoint,
        MORTARBOARD_OBJECTS_REGION="us-east-1",
        MORTARBOARD_OBJECTS_ACCESS_KEY_FILE=str(tmp_path / "access"),
        MORTARBOARD_OBJECTS_SECRET_KEY_FILE=str(tmp_path / "secret"),
    )
    large, small = (key("large"), secrets.token_bytes(12_000_000)), (key("small: größe 1%"), b"text")
    for path, body in (large, small):
        await store.put(path, body)
        await name_object(surroundings, path, body)
    made = ctl("backup", "--to", f"s3://{BACKUPS}/nightly")
    assert made.returncode == 0, made.stderr
    place = made.stdout.splitlines()[-1].partition(": ")[0]
    assert place.startswith(f"s3://{BACKUPS}/nightly/2")
    await surroundings.databases.drop(surroundings.database)
    await surroundings.databases.create(surroundings.database)
    for path, _ in (large, small):
        await store.delete(path, TENANT)
    missed = ctl("restore", "--from", f"s3://{BACKUPS}/nightly")
    assert "no manifest.json" in missed.stderr, "it is in a folder of its own below"
    done = ctl("restore", "--from", place)
    assert done.returncode == 0, done.stderr
    for path, body in (large, small):
        assert await store.read(path, TENANT, hashlib.sha256(body).hexdigest()) == body
    checked = ctl("objects", "check", "--rows")
    assert "all 2 objects that rows name are there" in checked.stdout, checked.stderr
