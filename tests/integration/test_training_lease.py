"""The lease on a run, on real PostgreSQL: one holder at a time, and only the newest may record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.database import Database
from chassis.errors import LeaseLostError
from contracts.agents import AgentRouted
from deploy.stack.services import Surroundings
from training_svc.domain.run import Request, Run, TrainingFile
from training_svc.outbound import agent_store, follow_store, run_store, webhook_store
from training_svc.usecases.hold import Hold


@pytest.fixture
async def opened(surroundings: Surroundings) -> AsyncIterator[Database]:
    worker = surroundings.databases.url(surroundings.database, "training_svc")
    http = surroundings.databases.url(surroundings.database, "training_svc_http")
    database = Database(worker, http, "training_svc", "/training-svc")
    await database.open()
    yield database
    await database.close()


def request(tenant: str = "acme") -> Request:
    return Request(
        tenant=tenant,
        run_id=str(uuid4()),
        dataset_id=str(uuid4()),
        version=1,
        agent_id="shop",
        agent_version=1,
        base_model="gpt-4o-mini-2024-07-18",
        provider="openai",
        key_id=str(uuid4()),
        method="supervised",
        training=TrainingFile("tenants/acme/f.jsonl", "a" * 64, 10, 12, 240),
        validation=None,
        prompt_fingerprint="b" * 64,
        hyperparameters={},
    )


def begun(one: Request) -> Run:
    return Run(one, datetime.now(UTC), base_url="http://p", key_version=1)


async def store(database: Database, *requests: Request) -> None:
    async with database.transaction() as transaction:
        for one in requests:
            assert await run_store.insert(transaction.connection, begun(one), settings_sha256="s")


async def claim(database: Database, lease_seconds: float) -> Run | None:
    async with database.transaction() as transaction:
        return await run_store.claim(transaction.connection, lease_seconds)


async def test_what_a_past_holder_records_is_refused(opened: Database) -> None:
    await store(opened, request())
    first = await claim(opened, 0.0)
    second = await claim(opened, 60.0)
    assert first is not None
    assert second is not None
    # the second has recorded nothing yet: only the epoch can tell that the first is past
    with pytest.raises(LeaseLostError):
        await Hold(opened, first).record(lambda run, _: replace(run, step="uploading"))
    kept = await Hold(opened, second).record(lambda run, _: run)
    assert kept.step == "preparing"


async def test_claims_at_the_same_time_get_different_runs(opened: Database) -> None:
    requests = [request() for _ in range(6)]
    await store(opened, *requests)
    found = await asyncio.gather(*(claim(opened, 60.0) for _ in range(8)))
    claimed = [run.request.run_id for run in found if run is not None]
    assert sorted(claimed) == sorted(one.run_id for one in requests)


async def test_a_run_that_ended_is_never_claimed_again(opened: Database) -> None:
    await store(opened, request())
    run = await claim(opened, 60.0)
    assert run is not None
    await Hold(opened, run).record(lambda run, _: replace(run, status="ready", model="ft:m"), due_in=0.0)
    assert await claim(opened, 60.0) is None


async def test_two_tenants_may_use_the_same_run_id(opened: Database) -> None:
    mine = request()
    theirs = replace(mine, tenant="other")
    await store(opened, mine, theirs)
    run = await claim(opened, 60.0)
    assert run is not None
    await Hold(opened, run).record(lambda run, _: replace(run, status="cancelled"))
    other = await claim(opened, 60.0)
    assert other is not None
    assert {run.request.tenant, other.request.tenant} == {"acme", "other"}
    assert other.status == "unknown"


async def followed(database: Database, count: int) -> list[Run]:
    """Runs of one key whose jobs are known, looked at right now by a follower."""
    first = request()
    await store(database, first, *(replace(request(), key_id=first.key_id) for _ in range(count - 1)))
    for _ in range(count):
        run = await claim(database, 60.0)
        assert run is not None
        job_id = f"ftjob-{run.request.run_id}"

        def follow(run: Run, now: datetime, job_id: str = job_id) -> Run:
            return replace(run, status="training", step="following", job_id=job_id)

        await Hold(database, run).record(follow, due_in=0.0)
    return await claim_account(database)


async def claim_account(database: Database) -> list[Run]:
    async with database.transaction() as transaction:
        return await follow_store.claim_account(transaction.connection, 60.0, 0.0)


async def report(database: Database, run: Run) -> None:
    async with database.transaction() as transaction:
        assert await webhook_store.make_due(transaction.connection, "acme", "openai", run.job_id or "") == 1


async def test_a_report_that_comes_during_a_look_makes_the_run_due_after_it(opened: Database) -> None:
    runs = await followed(opened, 3)
    assert len(runs) == 3
    told, quiet, other = runs
    await report(opened, told)
    await report(opened, quiet)
    await Hold(opened, told).record(lambda run, _: run, due_in=600.0)
    async with opened.transaction() as transaction:
        await follow_store.note_unchanged(transaction.connection, [quiet, other], [600.0, 600.0])
    async with opened.transaction() as transaction:
        due = await transaction.connection.fetch("SELECT run_id FROM runs WHERE next_poll_at <= now()")
    assert {str(row["run_id"]) for row in due} == {told.request.run_id, quiet.request.run_id}


async def test_a_wish_that_comes_during_a_quiet_look_does_not_wait_for_the_lease(opened: Database) -> None:
    (run,) = await followed(opened, 1)
    async with opened.transaction() as transaction:
        await run_store.ask(transaction.connection, "acme", run.request.run_id, "cancel")
    async with opened.transaction() as transaction:
        await follow_store.note_unchanged(transaction.connection, [run], [600.0])
    driven = await claim(opened, 60.0)
    assert driven is not None
    assert driven.asked == "cancel"


async def test_a_route_that_is_heard_of_late_does_not_replace_a_newer_one(opened: Database) -> None:
    for version, sequence in ((2, 20), (1, 10)):
        event = AgentRouted(
            agent_id="shop", route_version=version, activation_id=None, desired=None, effective=None,
            reason="activated",
        )  # fmt: skip
        async with opened.transaction() as transaction:
            await agent_store.put_route(transaction.connection, "acme", event, sequence)
    async with opened.transaction() as transaction:
        route = await agent_store.get_route(transaction.connection, "acme", "shop")
    assert route["route_version"] == 2
