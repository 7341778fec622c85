"""`mortarboardctl backup` and `restore`: schemas and objects of one moment, and where groups stood before it.

The order makes it whole. Groups' offsets are read first: what they settle meanwhile is in the schemas,
so inboxes drop it when it is read again. Objects are copied last: each was written before the row naming it.
"""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore

from chassis.envelope import read_headers
from chassis.tombstones import digest
from contracts.dialogs import DialogErased
from contracts.topics import FOR_EVER, TOPICS
from deploy.ctl import copies, dump, named, places
from deploy.ctl.named import Lost
from deploy.ctl.places import Connection as Kafka
from deploy.stack.databases import SCHEMAS, Databases

FORMAT = 1
MANIFEST, OBJECTS = "manifest.json", "objects.jsonl"
AHEAD = 1_000_000
"""How far sequences are raised: above all that was published later and is not in a topic any more."""
INSTEAD = (
    "\nput them back from the bucket's versions or an older backup; or go on without them: --without-lost, "
    "see docs/runbooks/restore.md"
)


class BackupError(Exception):
    """A backup that cannot be made, or cannot be used."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is backed up: a database, object storage, the broker's groups."""

    kafka: Kafka = field(repr=False)
    databases: Databases
    database: str
    objects: Any
    """An obstore store."""
    prefix: str = ""
    """What topics and groups begin with."""


async def backup(
    here: Installation, into: Any, say: Callable[[str], None], *, without_lost: bool = False
) -> dict[str, Any]:
    """Write a backup into an empty store; returns its manifest, which is written last.

    Raises BackupError with all objects that rows name and storage lacks; `without_lost` goes on without
    them, and the manifest names them as `lost`.
    """
    if [path async for path in copies.paths(into)]:
        raise BackupError("the place is not empty: each backup has a folder of its own")
    groups = await places.committed(here.kafka, here.prefix)
    async with dump.snapshot(here.databases, here.database) as moment:
        made_at = datetime.now(UTC)
        say("dumping " + ", ".join(dump.OWNERS))
        dumps = {schema: await _dump(here, schema, moment, into) for schema in dump.OWNERS}
        wanted = await named.by_rows(here.databases, here.database, moment)
    there = [path async for path in copies.paths(here.objects)]
    await _bearable(here, named.missing(wanted, there), without_lost=without_lost)  # before hours of copying
    say(f"copying {len(there)} objects")
    copied = await copies.copy_all(here.objects, there, into, "objects")
    lost = named.lost(wanted, {one.path: one.sha256 for one in copied})
    lost = await _bearable(here, lost, without_lost=without_lost)
    lines = "".join(json.dumps(one.as_dict()) + "\n" for one in copied).encode()
    await obstore.put_async(into, OBJECTS, lines)
    manifest = {
        "format": FORMAT,
        "made_at": made_at.isoformat(),
        "schemas": dumps,
        "objects": {"count": len(copied), "sha256": hashlib.sha256(lines).hexdigest()},
        "lost": [one.as_dict() for one in lost],
        "groups": groups,
    }
    await obstore.put_async(into, MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


async def note_places(here: Installation, into: Any) -> dict[str, Any]:
    """Write only where the groups stand: for a database that is archived by its own means."""
    manifest = {"format": FORMAT, "made_at": datetime.now(UTC).isoformat(), "schemas": {}, "groups": {}}
    manifest["groups"] = await places.committed(here.kafka, here.prefix)
    await obstore.put_async(into, MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


async def _dump(here: Installation, schema: str, moment: str, into: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{schema}.dump"
        await dump.dump_schema(here.databases, here.database, schema, moment, path)
        digest = await asyncio.to_thread(_sha256, path)
        await obstore.put_async(into, path.name, path)
        return {"file": path.name, "sha256": digest, "bytes": path.stat().st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _bearable(here: Installation, lost: list[Lost], *, without_lost: bool) -> list[Lost]:
    """Those that are lost for good, see `named.still`; raises BackupError unless told to go on."""
    lost = await named.still(here.databases, here.database, lost)
    if lost and not without_lost:
        raise BackupError(f"{len(lost)} objects that rows name are lost:{named.in_words(lost)}{INSTEAD}")
    return lost


async def restore(
    here: Installation, source: Any, say: Callable[[str], None], *, without_lost: bool = False
) -> dict[str, Any]:
    """Fill an empty database and object storage from a backup, and let the groups read again from then.

    Roles, schemas and extensions must be there (`mortarboardctl roles apply`), and no service may run.
    Returns what was done, of which lasting topics the database has lost what was published last, and the
    objects that are `lost`: those that the backup was made without. Raises BackupError with all that the
    backup itself lacks; `without_lost` goes on, and they are among the lost.
    """
    manifest = await _manifest(source)
    if not manifest["schemas"]:
        raise BackupError("it holds only where the groups stood: restore --places-only")
    if there := await dump.tables_of(here.databases, here.database):
        raise BackupError(
            f"the database is not empty: it has {there[0]} and {len(there) - 1} more tables; "
            "a restore that was interrupted begins again with an empty one"
        )
    await places.must_be_idle(here.kafka, here.prefix)
    lost = {one["path"] for one in manifest.get("lost", ())}
    wanted = [one for one in await _objects(source, manifest) if one.path not in lost]  # it may be damaged
    held = {path async for path in copies.paths(source, "objects")}
    _whole([one.path for one in wanted if f"objects/{one.path}" not in held], without_lost=without_lost)
    with tempfile.TemporaryDirectory() as folder:
        dumps = {name: await _fetch(source, was, Path(folder)) for name, was in manifest["schemas"].items()}
        say(f"putting back {len(wanted)} objects")
        spoiled = await copies.put_back(source, "objects", here.objects, wanted)
        _whole(spoiled, without_lost=without_lost)  # while the database is empty: one may begin again at once
        say(f"restoring {', '.join(dumps)} as of {manifest['made_at']}")
        try:
            async with asyncio.TaskGroup() as group:
                for schema, path in dumps.items():
                    group.create_task(dump.restore_schema(here.databases, here.database, schema, path))
        except* (dump.DumpError, OSError) as several:
            raise several.exceptions[0] from None
    done = {"objects": len(wanted) - len(spoiled), "lost": sorted({*lost, *spoiled})}
    return done | await read_on(here, source, say)


def _whole(spoiled: list[str], *, without_lost: bool) -> None:
    if spoiled and not without_lost:
        raise BackupError(
            f"{len(spoiled)} objects are missing from the backup, or damaged in it:{named.in_words(spoiled)}"
            "\ntake another backup; or go on without them: --without-lost"
        )


async def read_on(here: Installation, source: Any, say: Callable[[str], None]) -> dict[str, Any]:
    """Let a database that was set back, by whatever means, go on with the topics as they are now."""
    manifest = await _manifest(source)
    await places.must_be_idle(here.kafka, here.prefix)
    say("raising sequences above what the topics hold")
    later = await _raise_sequences(here)
    erased = await _erase_again(here, manifest, say)
    say("setting groups back")
    await places.set_back(here.kafka, manifest["groups"], here.prefix)
    return {"made_at": manifest["made_at"], "published_later": later, "erased_again": erased}


async def _manifest(source: Any) -> dict[str, Any]:
    try:
        found = await obstore.get_async(source, MANIFEST)
    except FileNotFoundError:
        raise BackupError("there is no manifest.json: no backup, or one that was not finished") from None
    manifest: dict[str, Any] = json.loads(bytes(await found.bytes_async()))
    if manifest.get("format") != FORMAT:
        raise BackupError(f"a backup of format {manifest.get('format')}; this program reads {FORMAT}")
    return manifest


async def _objects(source: Any, manifest: dict[str, Any]) -> list[copies.Copied]:
    lines = bytes(await (await obstore.get_async(source, OBJECTS)).bytes_async())
    if hashlib.sha256(lines).hexdigest() != manifest["objects"]["sha256"]:
        raise BackupError("objects.jsonl is damaged")
    return [copies.Copied(**json.loads(line)) for line in lines.splitlines()]


async def _fetch(source: Any, was: dict[str, Any], folder: Path) -> Path:
    path: Path = folder / was["file"]
    found = await obstore.get_async(source, was["file"])
    with path.open("wb") as file:
        async for chunk in found.stream(min_chunk_size=1024 * 1024):
            file.write(chunk)
    if await asyncio.to_thread(_sha256, path) != was["sha256"]:
        raise BackupError(f"{was['file']} is damaged")
    return path


async def _raise_sequences(here: Installation) -> dict[str, int]:
    """Let no sequence be given twice; returns how many keys of each lasting topic were published to later.

    Consumers of such topics ignore what is not above the last sequence that they saw of a key, and readers
    outside have seen what the restored database does not know.
    """
    later: dict[str, int] = {}
    for topic in TOPICS.values():
        if not topic.compacted and topic.retention_ms != FOR_EVER:
            continue
        newest = await places.newest_sequences(here.kafka, here.prefix + topic.name)
        for service in topic.producers:
            schema = service.replace("-", "_")
            if schema in SCHEMAS:
                later[topic.name] = await _know(here, schema, topic.name, newest)
    for schema in SCHEMAS:
        async with dump.owner_of(here.databases, here.database, schema) as connection:
            await connection.execute(
                f"UPDATE {schema}.outbox_keys SET last_sequence = last_sequence + $1",  # noqa: S608 -- a name of ours
                AHEAD,
            )
    return {topic: keys for topic, keys in later.items() if keys}


async def _know(here: Installation, schema: str, topic: str, newest: dict[tuple[str, bytes], int]) -> int:
    async with dump.owner_of(here.databases, here.database, schema) as connection:
        done = await connection.execute(
            f"""
            INSERT INTO {schema}.outbox_keys AS k (tenant_id, topic, key, last_sequence)
            SELECT t, $1, key, sequence
            FROM unnest($2::text[], $3::bytea[], $4::bigint[]) AS n (t, key, sequence)
            ON CONFLICT (tenant_id, topic, key) DO UPDATE SET last_sequence = excluded.last_sequence
            WHERE k.last_sequence < excluded.last_sequence
            """,  # noqa: S608 -- names of ours
            topic,
            [tenant for tenant, _ in newest],
            [key for _, key in newest],
            list(newest.values()),
        )
    return int(done.rsplit(" ", 1)[-1])


async def _erase_again(here: Installation, manifest: dict[str, Any], say: Callable[[str], None]) -> int:
    """Ask again for what was erased after the backup, which brought it back; returns how many dialogs."""
    topic, made_at = TOPICS[DialogErased.TOPIC], datetime.fromisoformat(manifest["made_at"])
    place = next(one for one in manifest["groups"].values() if one["topic"] == topic.name)
    same = await places.is_the_same(here.kafka, here.prefix + topic.name, place["topic_id"])
    if not same or made_at < datetime.now(UTC) - timedelta(milliseconds=topic.retention_ms):
        say(f"{topic.name} does not reach back to the backup: ask for older erasures again by hand")
    found: dict[tuple[str, str], None] = {}
    async for record in places.read(here.kafka, here.prefix + topic.name, place["offsets"] if same else None):
        headers = read_headers(record.headers)
        if headers.get("ce_type") == DialogErased.TYPE:
            found[headers["ce_tenantid"], DialogErased.from_body(record.value).dialog_id] = None
    async with dump.owner_of(here.databases, here.database, "dialog_svc") as connection:
        await connection.executemany(
            "INSERT INTO dialog_svc.erasure_requests "
            "(tenant_id, id, kind, subject_hmac, subject, reason, asked_by) "
            "VALUES ($1, uuidv7(), 'dialog', $2, $3, 'erased before a restore', 'mortarboardctl')",
            [(tenant, digest(tenant, dialog), dialog) for tenant, dialog in found],
        )
    return len(found)


def now() -> str:
    """A name for a backup's folder: the time, in UTC."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
