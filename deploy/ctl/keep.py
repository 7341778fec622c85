"""`mortarboardctl backup`, `restore` and `events republish`: what is done before and after the worst."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from obstore.exceptions import BaseError

from chassis.kafka import SEND_DEADLINE
from chassis.kafka_settings import KafkaSettings
from chassis.objects import ObjectStore
from chassis.objects_settings import S3, ObjectsSettings
from chassis.published import republish
from chassis.topic_ids import topic_id
from contracts.topics import TOPICS
from deploy.ctl import backup, dump
from deploy.ctl.backup import Installation
from deploy.ctl.database import DatabaseSetupError, database_name, known
from deploy.ctl.dump import DumpError
from deploy.ctl.named import Lost, in_words
from deploy.ctl.places import GroupInUseError
from deploy.stack.broker import reached
from deploy.stack.databases import SCHEMAS
from deploy.stack.topics import admin

EXPECTED = (
    backup.BackupError, DumpError, GroupInUseError, DatabaseSetupError, OSError,
    asyncpg.PostgresError, asyncpg.InterfaceError, BaseError,
)  # fmt: skip


def arguments(make_one: argparse.ArgumentParser, put_one_back: argparse.ArgumentParser) -> None:
    """The options of backup and restore."""
    make_one.add_argument(
        "--to", required=True, metavar="PLACE", help="a folder or s3://bucket/prefix; each has its own below"
    )
    put_one_back.add_argument(
        "--from", required=True, dest="source", metavar="PLACE", help="the folder of one backup"
    )
    for command in (make_one, put_one_back):
        command.add_argument(
            "--places-only", action="store_true",
            help="only where the groups stand: database and objects are archived by other means",
        )  # fmt: skip
        command.add_argument(
            "--without-lost", action="store_true",
            help="go on without objects that are missing or damaged, and say which they are",
        )  # fmt: skip


def arguments_of_events(command: argparse.ArgumentParser) -> None:
    """The options of `events republish`."""
    command.add_argument("topic", choices=sorted(TOPICS), metavar="TOPIC")
    command.add_argument(
        "--since", type=datetime.fromisoformat, metavar="TIME", help="published from then on"
    )
    command.add_argument("--tenant", help="only this tenant's events")


def make(asked: argparse.Namespace) -> int:
    """`backup --to PLACE`: into a new folder named by the time."""
    place = asked.to.rstrip("/") + f"/{backup.now()}"
    manifest = asyncio.run(_make(place, places_only=asked.places_only, without_lost=asked.without_lost))
    if asked.places_only:
        print(f"{place}: {len(manifest['groups'])} groups")
        return 0
    size = sum(one["bytes"] for one in manifest["schemas"].values())
    _tell([Lost(**one) for one in manifest["lost"]])
    print(f"{place}: schemas of {size // 1000} kB, {manifest['objects']['count']} objects")
    return 0


async def _make(place: str, *, places_only: bool, without_lost: bool) -> dict[str, Any]:
    must_be_apart(ObjectsSettings().objects_url, place)
    here, store = _here(), _store(place)
    if places_only:
        return await backup.note_places(here, store)
    return await backup.backup(here, store, _say, without_lost=without_lost)


def _tell(lost: Sequence[object]) -> None:
    if lost:
        _say(f"without {len(lost)} objects that are lost:{in_words(lost)}")


def put_back(asked: argparse.Namespace) -> int:
    """`restore --from PLACE`."""
    done = asyncio.run(
        _put_back(asked.source, places_only=asked.places_only, without_lost=asked.without_lost)
    )
    _tell(done.get("lost", ()))
    print(json.dumps(done, indent=1))
    if "agent.updated" in done["published_later"]:
        print("agent.updated holds versions that the backup does not know: see docs/runbooks/restore.md")
    return 0


async def _put_back(source: str, *, places_only: bool, without_lost: bool) -> dict[str, Any]:
    if places_only:
        return await backup.read_on(_here(), _store(source), _say)
    return await backup.restore(_here(), _store(source), _say, without_lost=without_lost)


def publish_again(asked: argparse.Namespace) -> int:
    """`events republish TOPIC`: out of what its producers keep, through their outboxes."""
    asyncio.run(_publish_again(asked.topic, asked.since, asked.tenant))
    return 0


async def _publish_again(topic: str, since: datetime | None, tenant: str | None) -> None:
    kafka, databases = KafkaSettings(), known()
    schemas = {one.replace("-", "_") for one in TOPICS[topic].producers} & set(SCHEMAS)
    async with admin(kafka) as client:
        is_there = await topic_id(client._client, kafka.topic_prefix + topic)
    if is_there:
        _say(f"{topic} is there: what is in it already comes first, though it may be newer")
    for schema in sorted(schemas):
        connection = await asyncpg.connect(databases.url(database_name(), dump.OWNERS[schema]))
        try:
            moved = await republish(connection, topic, since=since, tenant=tenant)
            await connection.execute("SELECT pg_notify($1, '')", f"{schema}_outbox")
        finally:
            await connection.close()
        _say(f"{schema}: {moved} events of {topic} are in the outbox again")
    if not is_there:
        _say(f"{topic} is not there: waiting {SEND_DEADLINE:.0f} s for what its relays still hold …")
        await asyncio.sleep(SEND_DEADLINE)
        _say("now make it: mortarboardctl topics apply")


def _here() -> Installation:
    kafka = KafkaSettings()
    return Installation(
        kafka=reached(kafka),
        databases=known(),
        database=database_name(),
        objects=ObjectStore.of(ObjectsSettings())._store,
        prefix=kafka.topic_prefix,
    )


def _store(place: str) -> Any:
    """The store of a backup: a folder, or a URL; S3 with the keys of the services' own storage."""
    url = _url(place)
    store = ObjectStore.of(ObjectsSettings(objects_url=url)) if url.startswith(S3) else ObjectStore(url)
    return store._store


def _url(place: str) -> str:
    return place if "://" in place else Path(place).absolute().as_uri()


def must_be_apart(objects: str, place: str) -> None:
    """Refuse a backup within the storage that it copies: each would hold all earlier ones."""
    if f"{_url(place)}/".startswith(f"{objects.rstrip('/')}/"):
        raise backup.BackupError(f"{place} lies within {objects}, which is copied: choose a place beside it")


def _say(text: str) -> None:
    print(text, flush=True)


def said(error: Exception) -> str:
    """The kind and the words of what was expected: some have no words, and storage's are many."""
    words = str(error).partition("\n")[0] if isinstance(error, BaseError) else str(error)
    return f"{type(error).__name__}: {words}"
