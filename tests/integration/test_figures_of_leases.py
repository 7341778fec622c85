"""What a process said while it held a lease is said no longer when another one holds it."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge

from chassis import observability as seen
from chassis.database import connect
from chassis.leases import Worker, WorkerLoop, take_lease
from chassis.relay import Relay
from deploy.stack.services import Surroundings
from tests.harness import until
from tests.integration.kit import kit

LATE = 300.0


def value(gauge: Gauge) -> float:
    return float(next(iter(gauge.collect())).samples[0].value)


async def test_a_worker_without_its_lease_takes_back_what_it_said(surroundings: Surroundings) -> None:
    gauge = Gauge("test_left_to_do", "of a worker", registry=None)

    async def turn() -> bool:
        gauge.set(LATE)
        return False

    async with kit(surroundings) as parts:
        worker = Worker("count", turn, every=0.05, leased=True, gauges=[gauge])
        loop = WorkerLoop(worker, parts.database, parts.health, "one")
        task = asyncio.create_task(loop.run())
        await until(lambda: _is(gauge, LATE))
        async with parts.database.transaction() as transaction:
            await transaction.connection.execute("UPDATE leases SET until = '-infinity', holder = 'another'")
            assert await take_lease(transaction.connection, "count", "another", 60.0)
        await until(lambda: _is(gauge, 0))
        loop.stop()
        await asyncio.wait_for(task, 10)


async def test_a_relay_that_lost_its_lane_says_no_longer_what_waited(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:
        relay = Relay(parts.settings, parts.database, parts.health, "log")
        elsewhere = await connect(parts.database.url, parts.database.schema)
        try:
            assert await relay._try_lock(elsewhere)
            age = seen.outbox_age.labels("log")
            age.set(LATE)
            task = asyncio.create_task(relay.run())
            await until(lambda: _is(age, 0))
            relay.stop()
            await asyncio.wait_for(task, 10)
        finally:
            await elsewhere.close()


async def _is(gauge: Gauge, wanted: float) -> bool:
    return value(gauge) == wanted
