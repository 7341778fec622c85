"""The crash table of a training run: wherever training-svc dies, pauses or loses an answer, exactly one job.

Every row runs against the real process, killed with SIGKILL or paused with SIGSTOP; it is held at the right
moment by the provider (an answer that comes late or never) or by a lock in the database, never by test code
inside the service.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError
from openai import AsyncOpenAI

from deploy.simulator.lifecycle import FINAL
from deploy.stack.services import Surroundings
from tests.fixtures_stack import PARTITIONS
from tests.harness import Running, until
from tests.integration.training_world import World, world

FILES, JOBS = "/v1/files", "/v1/fine_tuning/jobs"
LATE = {"seconds": 60.0}


@pytest.fixture
async def a_world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[World]:
    async with world(surroundings, tmp_path) as made:
        yield made


def hold(a_world: World, method: str, path: str, when: str, **more: Any) -> None:
    """Let the provider keep back its next answer to a call, the work done before or after the wait."""
    settings = {"match": {"method": method, "path": path}, "when": when, **LATE, **more}
    a_world.simulator.add_fault("hang", **settings)


async def locked(a_world: World, statement: str, *arguments: Any) -> asyncpg.Connection:
    """A session of the administrator that holds locks until it is closed."""
    databases = a_world.surroundings.databases
    connection = await asyncpg.connect(
        databases.admin_url.rpartition("/")[0] + "/" + a_world.surroundings.database
    )
    await connection.execute("BEGIN")
    await connection.execute(statement, *arguments)
    return connection


async def waiting_for_a_lock(a_world: World, statement: str) -> None:
    """Wait until training-svc waits for a lock in a statement with these words."""

    async def look() -> Any:
        async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
            return await admin.fetchval(
                "SELECT true FROM pg_stat_activity WHERE usename = 'training_svc' "
                "AND wait_event_type = 'Lock' AND datname = current_database() "
                "AND position($1 IN query) > 0",
                statement,
            )

    await until(look, what=f"{statement} waits for a lock; {a_world.logs()}")


async def ends_ready_with_one_job(a_world: World, run_id: str, jobs: int = 1) -> dict[str, Any]:
    """Wait for the end; of all jobs ever created for the run only one was not cancelled, and it succeeded."""
    row = await a_world.row_when(run_id, status="ready", within=60)
    found = a_world.jobs(run_id)
    (alive,) = [job for job in found if job["status"] != "cancelled"]
    assert (len(found), alive["status"], alive["id"]) == (jobs, "succeeded", row["job_id"])
    return alive


async def test_killed_before_the_intent_commits(a_world: World) -> None:
    first = await a_world.started()
    ready = await a_world.request()
    holder = await locked(a_world, "LOCK TABLE training_svc.runs IN SHARE ROW EXCLUSIVE MODE")
    await a_world.publish(ready)

    await waiting_for_a_lock(a_world, "INSERT INTO runs")
    first.stop(signal.SIGKILL)
    await holder.close()
    assert await a_world.row(ready.run_id) is None
    assert a_world.jobs(ready.run_id) == []

    await a_world.started()
    await ends_ready_with_one_job(a_world, ready.run_id)


async def test_killed_after_the_intent_before_the_offset(a_world: World) -> None:
    first = await a_world.started()
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.row_when(ready.run_id)
    first.stop(signal.SIGKILL)
    await forget_offsets(a_world, "dataset.ready")

    second = await a_world.started()
    again = await a_world.request()  # behind the redelivered one: once it is there, that one was read again
    await a_world.publish(again)
    await ends_ready_with_one_job(a_world, again.run_id)
    await ends_ready_with_one_job(a_world, ready.run_id)
    async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
        assert await admin.fetchval("SELECT count(*) FROM training_svc.runs") == 2
        letters = "SELECT count(*) FROM training_svc.runs WHERE status = 'failed'"
        assert await admin.fetchval(letters) == 0
    assert second.stop() == 0


async def forget_offsets(a_world: World, topic: str) -> None:
    """Set the group back to the beginning, as if the service had died before it committed its offsets."""
    name = a_world.surroundings.topic_prefix + topic
    group = f"{a_world.surroundings.topic_prefix}training-svc.{topic}"
    consumer = AIOKafkaConsumer(bootstrap_servers=a_world.surroundings.kafka_bootstrap, group_id=group)
    await consumer.start()
    try:
        places = [TopicPartition(name, number) for number in range(PARTITIONS)]
        consumer.assign(places)

        async def once_the_dead_member_is_gone() -> bool:
            try:
                await consumer.commit({place: OffsetAndMetadata(0, "") for place in places})
            except KafkaError:
                return False
            return True

        await until(once_the_dead_member_is_gone)
    finally:
        await consumer.stop()


async def test_killed_during_the_upload(a_world: World) -> None:
    hold(a_world, "POST", FILES, "before")
    first = await a_world.started(upload_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.called(f"POST {FILES}")
    first.stop(signal.SIGKILL)
    assert a_world.jobs(ready.run_id) == []

    await a_world.started("2")
    await ends_ready_with_one_job(a_world, ready.run_id)


async def test_killed_after_the_upload_the_file_is_found_by_name(a_world: World) -> None:
    hold(a_world, "POST", FILES, "after")
    first = await a_world.started(upload_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.called(f"POST {FILES}")
    uploads = await files_of(a_world, ready.run_id, 1)
    first.stop(signal.SIGKILL)

    await a_world.started("2")
    job = await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {FILES}"] == 1
    assert job["training_file"] == uploads[0]


async def files_of(a_world: World, run_id: str, count: int) -> list[str]:
    """The ids of the run's files at the provider, once there are so many."""
    async with owner(a_world) as client:

        async def look() -> list[str] | None:
            found = [file.id async for file in client.files.list() if file.filename.startswith(run_id)]
            return found if len(found) == count else None

        return await until(look) or []


def owner(a_world: World) -> AsyncOpenAI:
    """The owner's own client at the provider."""
    return AsyncOpenAI(api_key=a_world.key, base_url=a_world.simulator.base_url, max_retries=0)


async def test_killed_before_the_create(a_world: World) -> None:
    hold(a_world, "GET", JOBS, "before")
    first = await a_world.started(provider_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.called(f"GET {JOBS}")
    first.stop(signal.SIGKILL)
    assert a_world.jobs(ready.run_id) == []

    await a_world.started("2")
    await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {FILES}"] == 1


@pytest.mark.parametrize("fault", ["answer_lost_after_create", "hang"])
async def test_the_answer_to_the_create_is_lost_the_job_is_found(a_world: World, fault: str) -> None:
    if fault == "hang":
        hold(a_world, "POST", JOBS, "after")
    else:
        a_world.simulator.add_fault(fault)
    await a_world.started()
    ready = await a_world.request()
    await a_world.publish(ready)
    row = await a_world.row_when(ready.run_id, doubted=True)
    assert row["status"] == "unknown"
    await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {JOBS}"] == 1


@pytest.mark.parametrize("fault", ["connection_dropped", "server_error"])
async def test_the_create_had_no_effect_three_empty_lists_then_one_more(a_world: World, fault: str) -> None:
    a_world.simulator.add_fault(fault, match={"method": "POST", "path": JOBS})
    hold(a_world, "POST", JOBS, "after", seconds=0.5)
    await a_world.started()
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.called(f"POST {JOBS}", times=2)
    # one list before each create, and three empty ones that count between them
    assert (await a_world.requests())[f"GET {JOBS}"] >= 5
    job = await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {JOBS}"] == 2
    assert await files_of(a_world, ready.run_id, 1) == [job["training_file"]]
    told = [body["step"] for body in await a_world.statuses(ready.run_id)]
    assert "confirming" in told


async def test_killed_in_the_create(a_world: World) -> None:
    hold(a_world, "POST", JOBS, "after")
    first = await a_world.started(provider_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await until(lambda: created(a_world, ready.run_id))
    assert (await a_world.row_when(ready.run_id))["step"] == "creating"
    first.stop(signal.SIGKILL)

    await a_world.started("2")
    await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {JOBS}"] == 1


async def created(a_world: World, run_id: str, count: int = 1) -> bool:
    return len(a_world.jobs(run_id)) == count


async def test_killed_after_the_create_before_recording_it(a_world: World) -> None:
    hold(a_world, "POST", JOBS, "after", seconds=1.0)
    first = await a_world.started(provider_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await until(lambda: created(a_world, ready.run_id))
    holder = await locked(
        a_world, "SELECT 1 FROM training_svc.runs WHERE run_id = $1 FOR UPDATE", ready.run_id
    )

    await waiting_for_a_lock(a_world, "present FROM runs")
    first.stop(signal.SIGKILL)
    await holder.close()
    assert (await a_world.row_when(ready.run_id))["job_id"] is None

    await a_world.started("2")
    await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {JOBS}"] == 1


async def test_paused_past_the_lease_the_late_create_is_refused(a_world: World) -> None:
    # the first worker's create is on its way, and reaches the provider only long after its lease is over
    hold(a_world, "POST", JOBS, "before", seconds=20.0)
    second = await a_world.started("2", parts="http,workers")
    second.send(signal.SIGSTOP)
    first = await a_world.started(provider_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.called(f"POST {JOBS}")
    old = await a_world.row_when(ready.run_id, step="creating")
    first.send(signal.SIGSTOP)
    second.send(signal.SIGCONT)

    job = await ends_ready_with_one_job(a_world, ready.run_id)
    assert job["training_file"] != old["training_file_id"]

    assert await files_of(a_world, ready.run_id, 1) == [job["training_file"]]
    first.send(signal.SIGCONT)

    await finds_itself_replaced(a_world, first)
    assert "invalid_training_file" in first.log.read_text()
    await ends_ready_with_one_job(a_world, ready.run_id)
    assert (await a_world.requests())[f"POST {JOBS}"] == 2


async def finds_itself_replaced(a_world: World, paused: Running) -> None:
    """Wait until a worker that was paused has found out that another has its run."""

    async def look() -> bool:
        return "run_taken_over" in paused.log.read_text()

    await until(look, what=a_world.logs())


async def test_paused_past_the_lease_an_early_create_is_adopted(a_world: World) -> None:
    hold(a_world, "POST", JOBS, "before", seconds=2.5)
    first = await a_world.started(provider_timeout="60")
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.called(f"POST {JOBS}")
    first.send(signal.SIGSTOP)

    await a_world.started("2", confirm_gap="2")
    await ends_ready_with_one_job(a_world, ready.run_id)
    first.send(signal.SIGCONT)
    assert (await a_world.requests())[f"POST {JOBS}"] == 1


async def test_of_two_jobs_the_oldest_stays_and_the_other_is_cancelled(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with world(surroundings, tmp_path, speed=2.0) as a_world:
        a_world.simulator.add_fault("answer_lost_after_create")
        await a_world.started()
        ready = await a_world.request()
        await a_world.publish(ready)
        await until(lambda: created(a_world, ready.run_id))
        (first,) = a_world.jobs(ready.run_id)
        # jobs tell when they were made by the second
        await asyncio.sleep(max(0.0, int(first["created_at"]) + 1 - time.time()))
        async with owner(a_world) as client:
            second = await client.fine_tuning.jobs.create(
                model=first["model"],
                training_file=first["training_file"],
                metadata={"run_id": ready.run_id},
            )
        job = await ends_ready_with_one_job(a_world, ready.run_id, jobs=2)
        assert job["id"] == first["id"] != second.id


async def test_killed_while_following(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=5.0) as a_world:
        first = await a_world.started()
        ready = await a_world.request()
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, status="training")
        first.stop(signal.SIGKILL)
        assert a_world.jobs(ready.run_id)[0]["status"] not in FINAL

        await a_world.started("2")
        await ends_ready_with_one_job(a_world, ready.run_id)


async def test_while_following_an_old_answer_that_comes_late_changes_nothing(a_world: World) -> None:
    ready = await a_world.request()
    hold(a_world, "GET", f"{JOBS}/ftjob-*", "after", seconds=8.0)
    first = await a_world.started(provider_timeout="60")
    await a_world.publish(ready)
    await a_world.called(f"GET {JOBS}/{{id}}")
    first.send(signal.SIGSTOP)

    await a_world.started("2")
    await ends_ready_with_one_job(a_world, ready.run_id)
    settled = await a_world.row(ready.run_id)
    first.send(signal.SIGCONT)

    await finds_itself_replaced(a_world, first)
    assert await a_world.row(ready.run_id) == settled
    statuses = [body["status"] for body in await a_world.statuses(ready.run_id)]
    assert statuses[-1] == "ready"
    assert statuses.count("ready") == 1
