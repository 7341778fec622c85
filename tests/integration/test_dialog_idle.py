"""Silent dialogs on real servers: measured by their partition, completed once, reopened by a late message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.database import Transaction
from chassis.envelope import AnyReceived, encode_headers, new_headers
from contracts.agents import AgentUpdated
from contracts.chat import DialogRatedInChat
from deploy.stack.services import Surroundings
from dialog_svc.outbound import clock_store
from dialog_svc.usecases.complete_silent import complete_silent
from dialog_svc.usecases.index_dialogs import index_dialogs
from tests.harness import bodies, instance, now, publish, publisher, service, until
from tests.integration.dialog_world import START, listed, publish_at, said, take_in, transcripts
from tests.integration.kit import chat_consumer, kit

HOUR = timedelta(hours=1)


def agent(agent_id: str, version: int, idle_seconds: int) -> AgentUpdated:
    return AgentUpdated(
        agent_id=agent_id, version=version, name="Shop", prompt="", tools=(), fingerprint="0" * 64,
        base_model="gpt-4o", provider="openai", idle_seconds=idle_seconds, recorded_by="gateway", keys=(),
    )  # fmt: skip


async def completions(surroundings: Surroundings) -> list[tuple[str, str, int]]:
    found = [one for one in await bodies(surroundings, "dialog.completed") if "reason" in one]
    return [(one["dialog_id"], one["reason"], one["revision"]) for one in found]


async def completed(surroundings: Surroundings, count: int) -> list[tuple[str, str, int]]:
    async def enough() -> Any:
        found = await completions(surroundings)
        return found if len(found) >= count else None

    return list(await until(enough))


async def test_a_dialog_is_silent_by_the_newest_event_of_its_own_partition(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with (
        service(surroundings, "dialog-svc", tmp_path) as running,
        publisher(surroundings) as producer,
    ):

        async def say(dialog: str, minutes: float, partition: int, number: int = 0) -> None:
            at = START + timedelta(minutes=minutes)
            await publish_at(producer, surroundings, said(dialog, number), at, partition)

        # all of it lies a day back: by the wall clock every dialog would be silent
        await say("silent", 0, 0)
        await say("waits", 0, 1)
        await say("goes-on", 0, 0)
        await say("goes-on", 25, 0, number=1)
        await listed(running, 3)
        await say("clock", 31, 0)
        assert await completed(surroundings, 1) == [("silent", "idle", 1)]
        # a late message reopens it; when it is silent again there is a new revision
        await say("silent", 32, 0, number=1)
        await say("clock", 70, 0, number=1)
        found = await completed(surroundings, 3)
    assert sorted(found) == [("goes-on", "idle", 1), ("silent", "idle", 1), ("silent", "idle", 2)]
    transcripts = [one for one in await bodies(surroundings, "dialog.completed") if one["revision"] == 2]
    assert [len(one["transcript"]["messages"]) for one in transcripts] == [2]
    assert transcripts[0]["open"] is False


async def test_an_outage_makes_no_dialog_silent_whose_messages_wait(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    running = instance(surroundings, "dialog-svc", tmp_path, batch_records="1")
    async with publisher(surroundings) as producer:
        running.start()
        await running.ready()
        for dialog in ("d1", "d2"):
            await publish_at(producer, surroundings, said(dialog, 0), START, 0)
        await listed(running, 2)
        running.stop()
        # while nobody reads, hours go by; d1 goes on in time, and the partition says so only later
        for number in range(1, 7):
            moment = START + timedelta(minutes=20 * number)
            await publish_at(producer, surroundings, said("d1", number), moment, 0)
        running.start()
        await running.ready()
        assert await completed(surroundings, 1) == [("d2", "idle", 1)]

        async def all_taken() -> bool:
            items = await listed(running, 2)
            return any(one["dialog_id"] == "d1" and one["message_count"] == 7 for one in items)

        await until(all_taken)
        assert await completions(surroundings) == [("d2", "idle", 1)]
        running.stop()


async def test_agents_say_how_long_their_dialogs_may_be_silent(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with (
        service(surroundings, "dialog-svc", tmp_path) as running,
        publisher(surroundings) as producer,
    ):
        await publish(producer, surroundings, [agent("patient", 2, 7200), agent("hasty", 1, 60)])
        await publish(producer, surroundings, [agent("patient", 1, 60)])

        async def known() -> bool:
            async with surroundings.databases.connection(surroundings.database) as admin:
                rows = await admin.fetch("SELECT agent_id, idle_seconds FROM dialog_svc.agents")
            return {row["agent_id"]: row["idle_seconds"] for row in rows} == {"patient": 7200, "hasty": 60}

        await until(known)
        for name in ("patient", "hasty"):
            await publish_at(producer, surroundings, said(name, 0, agent_id=name), START, 0)
        await listed(running, 2)
        await publish_at(producer, surroundings, said("clock", 0), START + HOUR, 0)
        assert await completed(surroundings, 1) == [("hasty", "idle", 1)]
        await publish_at(producer, surroundings, said("clock", 1), START + 3 * HOUR, 0)
        assert sorted(await completed(surroundings, 2)) == [("hasty", "idle", 1), ("patient", "idle", 1)]


async def test_a_fast_clock_early_in_a_backlog_makes_no_dialog_silent_that_goes_on_behind_it(
    surroundings: Surroundings,
) -> None:
    async with kit(surroundings) as parts:

        async def say(dialog: str, number: int, minutes: int, ahead: timedelta = timedelta()) -> None:
            appended = START + timedelta(minutes=minutes)
            await take_in(parts, said(dialog, number), at=appended + ahead, appended=appended)

        async def completed_now() -> list[str]:
            async with parts.database.transaction() as transaction:
                await index_dialogs(transaction.connection)
            await complete_silent(parts.database, transcripts(parts), 1800, set())
            async with parts.database.transaction() as transaction:
                rows = await transaction.connection.fetch(
                    "SELECT dialog_id FROM dialogs WHERE ended_at IS NOT NULL ORDER BY dialog_id"
                )
            return [row["dialog_id"] for row in rows]

        # all of it waited for a day, and none of these times lies ahead of our clock
        await say("d1", 0, 0)
        await say("fast", 0, 1, ahead=10 * HOUR)
        assert await completed_now() == []
        await say("d1", 1, 20)
        await say("clock", 0, 45)
        assert await completed_now() == ["fast"]
        await say("clock", 1, 51)
        assert await completed_now() == ["d1", "fast"]


async def test_the_broker_says_when_it_took_an_event_not_its_producer(surroundings: Surroundings) -> None:
    heard: list[timedelta] = []

    async def fold(batch: Sequence[AnyReceived], _: Transaction) -> None:
        heard.extend(one.appended - one.time for one in batch)

    async with (
        kit(surroundings) as parts,
        parts.consuming(chat_consumer(fold)),
        publisher(surroundings) as producer,
    ):
        event = said("d1", 0)
        headers = encode_headers(new_headers(event, tenant="acme", source="/chat-backend"))
        topic = surroundings.topic_prefix + event.TOPIC
        await producer.send_and_wait(topic, event.body(), b"acme/d1", headers=headers, timestamp_ms=1)

        async def taken() -> bool:
            return bool(heard)

        await until(taken)
    assert abs(heard[0]) < HOUR


async def test_an_event_from_the_future_makes_no_other_dialog_silent(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with (
        service(surroundings, "dialog-svc", tmp_path) as running,
        publisher(surroundings) as producer,
    ):
        await publish_at(producer, surroundings, said("d1", 0), now(), 0)
        await publish_at(producer, surroundings, said("liar", 0), now() + 90 * 24 * HOUR, 0, tenant="globex")
        await publish_at(producer, surroundings, said("old", 0), START, 0)
        await listed(running, 2)
        assert await completed(surroundings, 1) == [("old", "idle", 1)]


async def test_what_the_first_message_says_counts_though_a_rating_came_before(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    keep = '{"acme/florist": 30}'
    async with (
        # one record a batch: the rating makes the dialog, a later batch brings the message
        service(surroundings, "dialog-svc", tmp_path, batch_records="1", keep=keep) as running,
        publisher(surroundings) as producer,
    ):
        rating = DialogRatedInChat(dialog_id="rated", rating="good", by="client")
        first = said("rated", 0, agent_id="florist", source="test", channel="web")
        await publish_at(producer, surroundings, rating, START, 0)
        await publish_at(producer, surroundings, first, START, 0)
        await publish_at(producer, surroundings, said("other", 0), START, 0, tenant="globex")
        (found,) = await listed(running, 1)
        assert (found["agent_id"], found["source"], found["channel"]) == ("florist", "test", "web")
        await listed(running, 1, tenant="globex")
        async with surroundings.databases.connection(surroundings.database) as admin:
            kept = await admin.fetchval(
                "SELECT kept FROM dialog_svc.messages JOIN dialog_svc.shelves USING (shelf) "
                "WHERE dialog_id = 'rated'"
            )
        assert kept == 30
        await publish_at(producer, surroundings, said("clock", 0), START + HOUR, 0, tenant="third")
        await completed(surroundings, 2)
        idle = [one for one in await bodies(surroundings, "dialog.completed") if one.get("reason") == "idle"]
    assert sorted((one["dialog_id"], one["agent_id"], one["source"]) for one in idle) == [
        ("other", "shop", "live"), ("rated", "florist", "test"),
    ]  # fmt: skip


async def test_endless_patience_and_dialogs_without_messages_keep_no_other_from_completing(
    surroundings: Surroundings,
) -> None:
    async with kit(surroundings) as parts:
        async with parts.database.transaction() as transaction:
            await clock_store.upsert_agent(transaction.connection, "acme", "endless", 1, 2**63 - 1)
        await take_in(parts, DialogRatedInChat(dialog_id="rated", rating="good", by="client"))
        await take_in(parts, said("endless", 0, agent_id="endless"))
        await take_in(parts, said("d1", 0))
        await take_in(parts, said("clock", 0), at=START + HOUR)
        async with parts.database.transaction() as transaction:
            await index_dialogs(transaction.connection)
        await complete_silent(parts.database, transcripts(parts), 1800, set())
        async with parts.database.transaction() as transaction:
            rows = await transaction.connection.fetch(
                "SELECT d.dialog_id, d.ended_at IS NOT NULL AS ended FROM listings l "
                "JOIN dialogs d USING (tenant_id, dialog_id)"
            )
    assert {row["dialog_id"]: row["ended"] for row in rows} == {"endless": False, "d1": True, "clock": False}


async def test_a_dialog_that_cannot_be_completed_keeps_no_other_from_it(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with (
        service(surroundings, "dialog-svc", tmp_path) as running,
        publisher(surroundings) as producer,
    ):
        for dialog in ("broken", "d1", "d2"):
            await publish_at(producer, surroundings, said(dialog, 0), START, 0)
        await listed(running, 3)
        async with surroundings.databases.connection(surroundings.database) as admin:
            for table in ("dialogs", "listings"):
                await admin.execute(
                    f"UPDATE dialog_svc.{table} SET source = 'nowhere' WHERE dialog_id = 'broken'"
                )
        await publish_at(producer, surroundings, said("clock", 0), START + HOUR, 0, tenant="globex")
        assert sorted(await completed(surroundings, 2)) == [("d1", "idle", 1), ("d2", "idle", 1)]
        # it is left out from then on
        await publish_at(producer, surroundings, said("d3", 0), START + HOUR, 0)
        await publish_at(producer, surroundings, said("clock", 1), START + 3 * HOUR, 0, tenant="globex")
        assert ("d3", "idle", 1) in await completed(surroundings, 3)
        assert running.log.read_text().count("dialog_not_completed") == 1


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_two_instances_complete_each_silent_dialog_once(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    dialogs = [f"d{number}" for number in range(60)]
    async with (
        service(surroundings, "dialog-svc", tmp_path, slot="1") as running,
        service(surroundings, "dialog-svc", tmp_path, slot="2"),
        publisher(surroundings) as producer,
    ):
        for dialog in dialogs:
            await publish_at(producer, surroundings, said(dialog, 0), START, 0)
        await listed(running, 60, limit=200)
        await publish_at(producer, surroundings, said("clock", 0), START + HOUR, 0)
        await completed(surroundings, 60)

        async def settled() -> bool:
            items = await listed(running, 61, limit=200)
            return [one["dialog_id"] for one in items if one["open"]] == ["clock"]

        await until(settled)
        found = await completions(surroundings)
    assert sorted(found) == sorted((dialog, "idle", 1) for dialog in dialogs)
