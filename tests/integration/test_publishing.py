"""Outbox and relay on real servers: a key's order, one relay a lane, the fence, broadcast readers, leases."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

from uuid_utils.compat import uuid7

from chassis.broadcast import Broadcast, BroadcastLoop
from chassis.leases import take_lease
from chassis.relay import Relay
from contracts.datasets import DatasetChanged
from contracts.dialogs import DialogRated
from deploy.stack.services import Surroundings
from tests.harness import bodies, publish, publisher, records, until
from tests.integration.kit import Kit, kit


def rated(dialog: str, revision: int) -> DialogRated:
    return DialogRated(dialog_id=dialog, revision=revision, rating="good", by="owner")


def changed(dialog: str, state: Any = "saved") -> DatasetChanged:
    return DatasetChanged(dialog_id=dialog, example_id=str(uuid7()), state=state)


@asynccontextmanager
async def relaying(parts: Kit, lane: Any) -> Any:
    relay = Relay(parts.settings, parts.database, parts.health, lane)
    parts.database.on_commit.append(relay.wake)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        relay.stop()
        await asyncio.wait_for(task, 30)


async def test_a_keys_events_are_numbered_and_published_in_order(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts, relaying(parts, "log"):

        async def one(number: int) -> None:
            async with parts.database.transaction() as transaction:
                transaction.publish(rated(f"d{number % 3}", number + 1), tenant="acme")
                transaction.publish(rated(f"d{number % 3}", number + 1), tenant="acme")

        await asyncio.gather(*(one(number) for number in range(30)))

        async def all_there() -> Any:
            found = await records(surroundings, "dialog.completed")
            return found if len(found) >= 60 else None

        found = await until(all_there)
    last: Counter[bytes] = Counter()
    for record in found:
        sequence = int(dict(record.headers)["ce_sequence"])
        assert sequence == last[record.key] + 1
        last[record.key] = sequence
    assert set(last.values()) == {20}


async def test_a_second_writer_of_a_key_waits_for_the_first(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts, kit(surroundings) as others:
        async with parts.database.transaction() as first:
            first.publish(rated("d1", 1), tenant="acme")
            await first.flush("x")
            first._outgoing.clear()

            async def second() -> None:
                async with others.database.transaction() as transaction:
                    transaction.publish(rated("d1", 2), tenant="acme")

            waiting = asyncio.create_task(second())
            done, _ = await asyncio.wait({waiting}, timeout=1.0)
            assert not done, "the second writer took a number before the first one committed"
        await waiting
        async with parts.database.transaction() as transaction:
            rows = await transaction.connection.fetch("SELECT headers FROM outbox ORDER BY id")
    assert [row["headers"]["ce_sequence"] for row in rows] == ["1", "2"]


async def test_two_relays_publish_each_event_once(surroundings: Surroundings) -> None:
    async with (
        kit(surroundings) as parts,
        kit(surroundings) as others,
        relaying(parts, "log"),
        relaying(others, "log"),
    ):
        for number in range(40):
            async with parts.database.transaction() as transaction:
                for dialog in range(5):
                    transaction.publish(rated(f"d{dialog}", number + 1), tenant="acme")

        async def all_there() -> Any:
            found = await records(surroundings, "dialog.completed")
            return found if len(found) >= 200 else None

        found = await until(all_there)
    ids = Counter(dict(record.headers)["ce_id"] for record in found)
    assert len(ids) == 200
    assert max(ids.values()) == 1, "published twice without a crash"


async def test_a_paused_relay_is_fenced_and_cannot_send_old_after_new(surroundings: Surroundings) -> None:
    paused, go_on = asyncio.Event(), asyncio.Event()

    class Paused(Relay):
        """Stops between its last look at the lock and the broker, as a SIGSTOP would."""

        async def _send(self, sender: Any, rows: Any) -> None:
            if not paused.is_set():
                paused.set()
                await go_on.wait()
            await super()._send(sender, rows)

    async with kit(surroundings) as parts, kit(surroundings) as others:
        sleeper = Paused(parts.settings, parts.database, parts.health, "compacted")
        task = asyncio.create_task(sleeper.run())
        async with parts.database.transaction() as transaction:
            transaction.publish(changed("d1"), tenant="acme")
        await asyncio.wait_for(paused.wait(), 30)
        async with surroundings.databases.connection(surroundings.database) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        async with relaying(others, "compacted"):
            async with others.database.transaction() as transaction:
                transaction.publish(changed("d1", "removed"), tenant="acme")

            async def newest_is_there() -> bool:
                return any(
                    body["state"] == "removed" for body in await bodies(surroundings, "dataset.changed")
                )

            await until(newest_is_there)
            go_on.set()
            await asyncio.sleep(2)
        sleeper.stop()
        await asyncio.wait_for(task, 30)
    found = await records(surroundings, "dataset.changed")
    sequences = [int(dict(record.headers)["ce_sequence"]) for record in found]
    assert sequences[-1] == max(sequences) == 2, sequences


async def test_a_broadcast_reader_catches_up_and_ignores_older_sequences(surroundings: Surroundings) -> None:
    seen: list[tuple[str, int]] = []
    broadcast = Broadcast(
        "dataset.changed",
        frozenset({DatasetChanged}),
        lambda received: seen.append((received.event.state, received.sequence)),
    )
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        first = [changed("d1"), changed("d1", "removed"), changed("d1")]
        await publish(producer, surroundings, first, sequences=[1, 3, 2])
        loop = BroadcastLoop(parts.settings, parts.health, broadcast)
        assert "broadcast-dataset.changed" in await parts.health.ready()
        task = asyncio.create_task(loop.run())

        async def ready() -> bool:
            return not await parts.health.ready()

        await until(ready)
        assert seen == [("saved", 1), ("removed", 3)]
        await publish(producer, surroundings, [changed("d1")], sequences=[4])

        async def newest() -> bool:
            return seen[-1] == ("saved", 4)

        await until(newest)
        loop.stop()
        await asyncio.wait_for(task, 20)


async def test_a_reader_from_now_misses_nothing_that_comes_while_it_is_away(
    surroundings: Surroundings,
) -> None:
    seen: list[tuple[str, int]] = []
    broadcast = Broadcast(
        "dataset.changed",
        frozenset({DatasetChanged}),
        lambda received: seen.append((received.event.state, received.sequence)),
        from_now=True,
    )
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        await publish(producer, surroundings, [changed("d1")], sequences=[1])
        loop = BroadcastLoop(parts.settings, parts.health, broadcast)

        async def ready() -> bool:
            return not await parts.health.ready()

        for state, sequence in (("removed", 2), ("saved", 3)):
            task = asyncio.create_task(loop.run())
            await until(ready)

            async def newest(state: str = state, sequence: int = sequence) -> bool:
                return bool(seen) and seen[-1] == (state, sequence)

            if sequence == 2:
                await publish(producer, surroundings, [changed("d1", state)], sequences=[sequence])
            await until(newest)
            loop.stop()
            await asyncio.wait_for(task, 20)
            loop._stopping = False  # as after a lost broker, the loop begins again
            if sequence == 2:
                await publish(producer, surroundings, [changed("d1")], sequences=[3])
    assert seen == [("removed", 2), ("saved", 3)]


async def test_a_lease_has_one_holder_and_its_epoch_rises_with_the_holder(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:

        async def take(holder: str, seconds: float) -> int | None:
            async with parts.database.transaction() as transaction:
                return await take_lease(transaction.connection, "sweep", holder, seconds)

        assert await take("a", 30) == 1
        assert await take("b", 30) is None
        assert await take("a", 0) == 1

        async def after_expiry() -> int | None:
            return await take("b", 30)

        assert await until(after_expiry) == 2
        assert await take("a", 30) is None
