"""A topic that is lost is rebuilt from what its producer keeps, and readers of the old one skip nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis import outbox, published
from chassis.broadcast import Broadcast, BroadcastLoop
from chassis.consumer import Consumer
from chassis.published import kept_days
from chassis.topic_ids import Place
from contracts.agents import AgentUpdated
from contracts.dialogs import DialogRated
from contracts.topics import TOPICS
from deploy.stack.services import Surroundings
from deploy.stack.topics import create_topics, delete_topics, partitions_of
from tests.harness import ROOT, caught_up, now, records, until
from tests.integration.kit import Kit, Noting, kit
from tests.integration.test_publishing import changed, rated, relaying

RATED: frozenset[Any] = frozenset({DialogRated})
GROUP = "dialog-svc.dialog.completed"
AGENT = json.loads((ROOT / "contracts/examples/v0.2.0/agent.updated.v1/smallest.json").read_text())["body"]


async def lose(surroundings: Surroundings, topic: str) -> None:
    """Delete a topic, with all that is in it."""
    name = surroundings.topic_prefix + topic
    await delete_topics(surroundings.kafka_bootstrap, [name])

    async def gone() -> bool:
        return not await partitions_of(surroundings.kafka_bootstrap, [name])

    await until(gone)


async def make_again(surroundings: Surroundings) -> None:
    await create_topics(surroundings.kafka_bootstrap, surroundings.topic_prefix, 1)


async def offsets(surroundings: Surroundings) -> dict[TopicPartition, tuple[int, str]]:
    """What the group has committed, with the id of the topic beside it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=surroundings.kafka_bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(surroundings.topic_prefix + GROUP)
    finally:
        await admin.close()
    return {place: (one.offset, one.metadata) for place, one in found.items()}


async def commit(surroundings: Surroundings, places: dict[TopicPartition, tuple[int, str]]) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=surroundings.kafka_bootstrap,
        group_id=surroundings.topic_prefix + GROUP,
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign(list(places))
    await consumer.commit(places)
    await consumer.stop()


async def publish(parts: Kit, *events: Any) -> None:
    for event in events:
        async with parts.database.transaction() as transaction:
            transaction.publish(event, tenant="acme")


async def republish(parts: Kit, topic: str, since: datetime | None = None) -> int:
    async with parts.database.transaction() as transaction:
        return await published.republish(transaction.connection, topic, since=since)


async def waiting(parts: Kit) -> int:
    async with parts.database.transaction() as transaction:
        return int(await transaction.connection.fetchval("SELECT count(*) FROM outbox"))


async def emptied(parts: Kit) -> None:
    async def empty() -> bool:
        return not await waiting(parts)

    await until(empty)


class Revisions(Noting):
    """Notes the revisions that it was given."""

    async def __call__(self, batch: Any, transaction: Any) -> None:
        self.batches.append([str(one.event.revision) for one in batch])


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_a_lost_topic_is_rebuilt_and_nothing_that_was_not_taken_is_skipped(
    surroundings: Surroundings,
) -> None:
    taken = Revisions()
    consumer = Consumer("dialog.completed", RATED, taken)
    async with kit(surroundings) as parts, relaying(parts, "log"), parts.consuming(consumer):
        await publish(parts, *(rated("old", number) for number in range(1, 11)))

        async def first_taken() -> bool:
            return len(taken.taken) == 10 and await caught_up(surroundings, "dialog.completed", "dialog-svc")

        await until(first_taken)
        await emptied(parts)
        until_here = now()
        await lose(surroundings, "dialog.completed")
        await publish(parts, *(rated("new", number) for number in range(11, 41)))
        # what was published waits in its old place, what is kept no longer is not in the topic
        assert await republish(parts, "dialog.completed", until_here) == 0
        await make_again(surroundings)

        async def second_taken() -> bool:
            return len(set(taken.taken)) == 40

        await until(second_taken, what="what came while there was no topic")
        assert taken.taken == [str(number) for number in range(1, 41)], "once, in order"
        await emptied(parts)
        await lose(surroundings, "dialog.completed")
        assert await republish(parts, "dialog.completed") == 40
        await publish(parts, rated("new", 41))
        await make_again(surroundings)

        async def third_taken() -> bool:
            return "41" in taken.taken

        await until(third_taken)
        await emptied(parts)
    found = await records(surroundings, "dialog.completed")
    sequences = [(record.key, int(dict(record.headers)["ce_sequence"])) for record in found]
    old, new = (b"acme/old", range(1, 11)), (b"acme/new", range(1, 32))
    assert sequences == [(key, number) for key, numbers in (old, new) for number in numbers]
    assert taken.taken == [str(number) for number in range(1, 42)], "what had been taken has no second effect"


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_a_reader_goes_to_the_beginning_of_a_topic_that_was_made_again(
    surroundings: Surroundings,
) -> None:
    name = surroundings.topic_prefix + "dialog.completed"
    consumer = AIOKafkaConsumer(bootstrap_servers=surroundings.kafka_bootstrap)
    place = Place(name)
    async with kit(surroundings) as parts, relaying(parts, "log"):
        await publish(parts, *(rated("old", number) for number in range(1, 11)))
        await emptied(parts)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(name, 0)])
            consumer.seek(TopicPartition(name, 0), 10)
            assert await place.check(consumer)
            assert await consumer.position(TopicPartition(name, 0)) == 10, "the same topic"
            await lose(surroundings, "dialog.completed")
            await make_again(surroundings)
            await publish(parts, *(rated("new", number) for number in range(11, 41)))
            await emptied(parts)
            place._looked = 0.0
            assert await place.check(consumer)
            first = await asyncio.wait_for(consumer.getone(), 30)
            assert first.offset == 0, "what lies before the old position"
        finally:
            await consumer.stop()


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_offsets_of_an_earlier_topic_are_not_believed(surroundings: Surroundings) -> None:
    taken = Revisions()
    consumer = Consumer("dialog.completed", RATED, taken)
    async with kit(surroundings) as parts, relaying(parts, "log"):
        await publish(parts, *(rated("old", number) for number in range(1, 11)))
        async with parts.consuming(consumer):

            async def first_taken() -> bool:
                return len(taken.taken) == 10 and await caught_up(
                    surroundings, "dialog.completed", "dialog-svc"
                )

            await until(first_taken)
        committed = await offsets(surroundings)
        assert [(offset, len(of_topic)) for offset, of_topic in committed.values()] == [(10, 36)]
        await lose(surroundings, "dialog.completed")
        await make_again(surroundings)
        await publish(parts, *(rated("new", number) for number in range(11, 41)))
        await emptied(parts)
        # as a member would that was paused while it had a batch
        await commit(surroundings, committed)
        async with parts.consuming(consumer):

            async def all_taken() -> bool:
                return len(taken.taken) == 40

            await until(all_taken, what="what lies before the old offset")


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_a_lost_compacted_topic_holds_the_newest_of_each_key_again(surroundings: Surroundings) -> None:
    seen: list[tuple[str, str, int]] = []

    def note(received: Any) -> None:
        seen.append((received.event.dialog_id, received.event.state, received.sequence))

    broadcast = Broadcast("dataset.changed", frozenset({type(changed("x"))}), note)
    async with kit(surroundings) as parts, relaying(parts, "compacted"):
        loop = BroadcastLoop(parts.settings, parts.health, broadcast)
        reading = asyncio.create_task(loop.run())
        await publish(parts, changed("a"), changed("b"), changed("a", "removed"), changed("c"))
        await emptied(parts)

        async def read() -> bool:
            return len(seen) == 4

        await until(read)
        await lose(surroundings, "dataset.changed")
        await publish(parts, changed("b", "removed"))
        assert await republish(parts, "dataset.changed") == 2, "b's newer state waits already"
        await make_again(surroundings)

        async def newest() -> bool:
            return seen[-1] == ("b", "removed", 2)

        await until(newest, what="the reader that had the lost topic")
        await emptied(parts)
        loop.stop()
        await asyncio.wait_for(reading, 30)
    assert len(seen) == 5, "what a reader has is not told again"
    found = await records(surroundings, "dataset.changed")
    held = {(record.key, dict(record.headers)["ce_sequence"]) for record in found}
    assert held == {(b"acme/a", b"2"), (b"acme/b", b"2"), (b"acme/c", b"1")}


async def test_a_state_that_waits_already_is_not_preceded_by_an_older_one(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:
        async with relaying(parts, "compacted"):
            await publish(parts, changed("a"))
            await emptied(parts)
        await publish(parts, changed("a", "removed"))
        assert await republish(parts, "dataset.changed") == 0
        async with relaying(parts, "compacted"):
            await emptied(parts)
    newest = (await records(surroundings, "dataset.changed"))[-1]
    assert dict(newest.headers)["ce_sequence"] == b"2"


@pytest.mark.parametrize("lane", ["log", "compacted"])
async def test_what_is_erased_while_it_goes_back_is_in_neither_place(
    surroundings: Surroundings, lane: str
) -> None:
    event = rated("d", 1) if lane == "log" else changed("d")
    held = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM published)"
    held += " + (SELECT count(*) FROM published_states)"

    async def erase(parts: Kit) -> None:
        async with parts.database.transaction() as transaction:
            await outbox.withdraw(transaction.connection, event.TOPIC, [("acme", "d")])

    async with kit(surroundings) as parts:
        await publish(parts, event)
        async with parts.database.transaction() as transaction:
            ids = [row["id"] for row in await transaction.connection.fetch("SELECT id FROM outbox")]
            await published.take_over(transaction.connection, lane, "dialog-svc", ids)
        async with surroundings.databases.connection(surroundings.database) as admin:
            async with parts.database.transaction() as going_back:
                assert await published.republish(going_back.connection, event.TOPIC) == 1
                erasing = asyncio.create_task(erase(parts))

                async def waits() -> bool:
                    return bool(
                        await admin.fetchval(
                            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                            "AND cardinality(pg_blocking_pids(pid)) > 0)"
                        )
                    )

                await until(waits, what="the erasure waits")
            await erasing
        async with parts.database.transaction() as transaction:
            assert await transaction.connection.fetchval(held) == 0


async def test_of_what_keeps_for_ever_every_event_is_kept_and_of_the_rest_what_is_young(
    surroundings: Surroundings,
) -> None:
    agent = TOPICS["agent.updated"]
    assert agent.retention_ms < 0
    assert not agent.compacted
    async with kit(surroundings) as parts, parts.database.transaction() as transaction:
        connection = transaction.connection
        for version in (1, 2):
            event = AgentUpdated.model_validate(AGENT | {"version": version})
            transaction.publish(event, tenant="acme")
        transaction.publish(rated("d", 1), tenant="acme")
        await transaction.flush("x")
        transaction._outgoing.clear()
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM outbox ORDER BY id")]
        await published.take_over(connection, "log", "agent-svc", ids)
        assert await connection.fetchval("SELECT count(*) FROM published_states") == 2
        assert await connection.fetchval("SELECT count(*) FROM published") == 1
        await connection.execute("UPDATE published SET published_at = now() - interval '4 days'")
        await published.maintain(connection, "agent-svc", 3)
        assert await connection.fetchval("SELECT count(*) FROM published") == 0
        assert await published.republish(connection, "agent.updated") == 2
        rows = await connection.fetch("SELECT id, headers ->> 'ce_sequence' AS n FROM outbox ORDER BY id")
        assert [(row["id"], row["n"]) for row in rows] == [(ids[0], "1"), (ids[1], "2")]
        await published.take_over(connection, "log", "agent-svc", ids)
        await published.maintain(connection, "agent-svc", 0)
        assert await connection.fetchval("SELECT count(*) FROM published_states") == 0
    assert kept_days("agent-svc", 30) == 7, "chat.events keeps no longer"
    assert kept_days("dialog-svc", 3) == 3


async def test_days_are_dropped_whole_and_the_coming_ones_are_there(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts, parts.database.transaction() as transaction:
        connection = transaction.connection
        await published.maintain(connection, "dialog-svc", 3)
        days = await connection.fetch(
            "SELECT relid::regclass::text AS name FROM pg_partition_tree('published') WHERE isleaf"
        )
        names = {row["name"].removeprefix("dialog_svc.") for row in days}
        coming = {f"published_{now() + timedelta(days=n):%Y%m%d}" for n in range(3)}
        assert names == {"published_other", *coming}
