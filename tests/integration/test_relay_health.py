"""A relay that publishes nothing: red when only a restart helps, not when the broker is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chassis.database import connect
from chassis.relay import Relay
from contracts.dialogs import DialogRated
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.topics import create_topics
from tests.harness import records, until
from tests.integration.kit import Kit, kit

NO_ISSUER = "http://127.0.0.1:9"
PATIENCE = 0.5


class Watched(Relay):
    """Counts how often it was asked whether it is wedged after rows had waited too long."""

    judged = 0

    async def _judge(self) -> None:
        asked = self._last_success
        await super()._judge()
        # a verdict either moves the moment of the last success or is noted in health
        self.judged += self._last_success != asked or bool(self._health.alive())


class Stuck(Watched):
    """Its producer takes records and never gets an answer."""

    async def _send(self, sender: Any, rows: Any) -> None:
        raise TimeoutError


class Counted(Relay):
    """Counts how often it asked for its lane."""

    tries = 0

    async def _try_lock(self, connection: Any) -> bool:
        self.tries += 1
        return await super()._try_lock(connection)


@asynccontextmanager
async def relaying(parts: Kit, relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        relay.stop()
        await asyncio.wait_for(task, 40)


async def rate(parts: Kit) -> None:
    async with parts.database.transaction() as transaction:
        transaction.publish(DialogRated(dialog_id="d1", revision=1, rating="good", by="owner"), tenant="acme")


async def test_a_stuck_producer_turns_the_service_red(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:
        relay = Stuck(parts.settings, parts.database, parts.health, "log", wedged_after=PATIENCE)
        await rate(parts)
        async with relaying(parts, relay):

            async def red() -> bool:
                return "relay-log" in parts.health.alive()

            await until(red)


async def test_a_lost_broker_is_waited_for_and_leaves_the_service_green(
    own_servers: Servers, tmp_path: Path
) -> None:
    prepared = await prepare(own_servers.bootstrap, own_servers.admin_url, NO_ISSUER, tmp_path)
    await create_topics(own_servers.bootstrap, "", 1)
    here = Surroundings(
        kafka_bootstrap=own_servers.bootstrap,
        databases=prepared.databases,
        database=prepared.template,
        objects=tmp_path,
        issuer=NO_ISSUER,
        master_key=prepared.master_key,
    )
    async with kit(here) as parts:
        relay = Watched(parts.settings, parts.database, parts.health, "log", wedged_after=PATIENCE)
        await own_servers.kafka.stop()
        await rate(parts)
        async with relaying(parts, relay):

            async def judged() -> bool:
                assert parts.health.alive() == {}
                return relay.judged >= 2

            await until(judged)
            await own_servers.start_kafka()
            await until(lambda: records(here, "dialog.completed"))

            async def green() -> bool:
                return not parts.health.alive()

            await until(green)


async def test_a_relay_that_waits_for_its_lane_is_not_woken_by_what_is_committed(
    surroundings: Surroundings,
) -> None:
    """It asks once a second: an event that stays set had it ask without a pause, for ever."""
    async with kit(surroundings) as parts:
        relay = Counted(parts.settings, parts.database, parts.health, "log")
        holder = await connect(parts.database.url, parts.database.schema)
        try:
            assert await Relay._try_lock(relay, holder)
            async with relaying(parts, relay):
                await until(lambda: _tried(relay, 1))
                began = time.monotonic()
                await rate(parts)
                relay.wake()
                await until(lambda: _tried(relay, 3))
                assert relay.tries <= time.monotonic() - began + 3
                await holder.close()
                await until(lambda: _published(parts))
        finally:
            await holder.close()


async def _tried(relay: Counted, times: int) -> bool:
    return relay.tries >= times


async def _published(parts: Kit) -> bool:
    async with parts.database.transaction() as transaction:
        return not await transaction.connection.fetchval("SELECT count(*) FROM outbox")
