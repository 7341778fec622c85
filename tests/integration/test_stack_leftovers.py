"""Servers that several test runs share: what a killed one left goes, what others use stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from aiokafka.admin import NewTopic

from deploy.stack import files, keeper, leftovers
from deploy.stack.broker import Broker
from deploy.stack.databases import Databases
from deploy.stack.prepared import Prepared
from deploy.stack.servers import Servers
from deploy.stack.topics import admin
from tests.harness import ROOT, until


async def make_topic(broker: Broker, name: str) -> None:
    async with admin(broker) as client:
        await client.create_topics([NewTopic(name, 1, 1)])


async def made(servers: Prepared) -> tuple[str, str, str]:
    """A run with a template, a database and topics: its name, its database, one of its topics."""
    run = leftovers.new_run()
    name, topic = leftovers.database(run), f"{leftovers.prefix(run)}chat.events"
    await servers.databases.create(leftovers.template(run))
    await servers.databases.create(name)
    await make_topic(servers.broker, topic)
    return run, name, topic


async def test_what_a_killed_run_left_is_removed_and_nothing_of_a_run_that_lives(servers: Prepared) -> None:
    databases = servers.databases
    dead, at_work, in_use = [await made(servers) for _ in range(3)]
    try:
        async with leftovers.alive(databases, at_work[0]), databases.connection(in_use[1]):
            assert await leftovers.sweep(databases, servers.broker) == [dead[0]]
        async with admin(servers.broker) as client:
            topics = set(await client.list_topics())
        for run, name, topic in (dead, at_work, in_use):
            stays = run != dead[0]
            assert await databases.exists(name) is stays
            assert await databases.exists(leftovers.template(run)) is stays
            assert (topic in topics) is stays
        assert await databases.exists(servers.template), "this session's own"
    finally:
        swept = await leftovers.sweep(databases, servers.broker)
    assert set(swept) == {at_work[0], in_use[0]}
    async with admin(servers.broker) as client:
        assert not [name for name in await client.list_topics() if at_work[0] in name]


async def test_the_next_run_on_named_servers_removes_what_a_killed_one_left(
    own_servers: Servers, tmp_path: Path
) -> None:
    environment = os.environ | {
        "MORTARBOARD_STACK": "external",
        "MORTARBOARD_KAFKA_BOOTSTRAP": own_servers.bootstrap,
        "MORTARBOARD_POSTGRES_ADMIN_URL": own_servers.admin_url,
    }
    databases = Databases(own_servers.admin_url, {})

    def start(folder: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "deploy.stack.keeper", str(folder)]
        return subprocess.Popen(command, env=environment, cwd=ROOT)

    async def made_by(process: subprocess.Popen[bytes], folder: Path) -> Prepared:
        async def ready() -> bool:
            assert process.poll() is None
            return (folder / keeper.READY).exists()

        await until(ready)
        return Prepared.read(folder / keeper.READY)

    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with files.locked(first / "owner.lock"):
        killed = start(first)
        before = await made_by(killed, first)
        database, prefix = leftovers.database(before.run), leftovers.prefix(before.run)
        await databases.create(database, before.template)
        await make_topic(own_servers.broker, f"{prefix}chat.events")
        killed.kill()
        killed.wait()
    assert await databases.exists(before.template)
    with files.locked(second / "owner.lock"):
        living = start(second)
        now = await made_by(living, second)
        assert not await databases.exists(database)
        assert not await databases.exists(before.template)
        async with admin(own_servers.broker) as client:
            assert not [name for name in await client.list_topics() if name.startswith(prefix)]
        assert await databases.exists(now.template)
        database, prefix = leftovers.database(now.run), leftovers.prefix(now.run)
        await databases.create(database, now.template)
        await make_topic(own_servers.broker, f"{prefix}chat.events")
    assert living.wait(30) == 0
    assert not await databases.exists(now.template), "a run whose tests alone were killed leaves nothing"
    assert not await databases.exists(database)
    async with admin(own_servers.broker) as client:
        assert not [name for name in await client.list_topics() if name.startswith(prefix)]
