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
from deploy.stack.services import Surroundings
from training_svc.domain.run import Request, Run, TrainingFile
from training_svc.outbound import run_store
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
