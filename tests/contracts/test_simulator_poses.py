"""The adapter of training-svc against the simulator posing as each provider of the catalogue.

One suite for all of them: what a server lacks by the catalogue it lacks in its pose too, so an entry that
promises too much fails here, and so does an adapter that asks for what an entry denies.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from openai import DefaultAsyncHttpxClient

from chassis.catalogue import Catalogue, filled_address
from contracts.catalogue import Limits, ProviderEntry
from deploy.simulator.poses import POSES
from deploy.simulator.testing import RunningSimulator, question_lines, training_lines
from deploy.stack.services import simulated_catalogue
from training_svc.domain.errors import BusyError, KeyRefusedError, MissingError, RefusedError
from training_svc.domain.job import Job
from training_svc.domain.run import Request, Run, TrainingFile, file_name, file_prefix
from training_svc.outbound.accounts import open_account
from training_svc.outbound.provider import Provider

CONTENT = question_lines("Where is order {}?", "Order {} is on its way.", 12)
KEY = "sk-poses"
VARIABLES = {"resource": "my-shop", "host": "trainer"}


@dataclass
class Stage:
    """One provider of the catalogue, played by the simulator, and a run there."""

    simulator: RunningSimulator
    entry: ProviderEntry
    limits: Limits
    run: Run
    http: DefaultAsyncHttpxClient

    def account(self, key: str = KEY, **limits: int) -> Provider:
        known = self.limits.model_copy(update=limits)
        url = filled_address(self.entry, VARIABLES)
        return open_account(self.entry, known, key, url, self.http, timeout=5, upload_timeout=5)

    async def submitted(self, account: Provider, content: bytes = CONTENT) -> tuple[Run, Job]:
        """The run with its job created."""
        file_id = await account.upload(file_name(self.run, training_file(content)), io.BytesIO(content))
        await settled(account, file_id)
        run = replace(self.run, training_file_id=file_id)
        return run, await account.create_job(run)


async def settled(account: Provider, file_id: str) -> None:
    for _ in range(500):
        try:
            await account.settled({file_id})
        except BusyError:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError("the file is never processed")


def training_file(content: bytes = CONTENT) -> TrainingFile:
    return TrainingFile("t/f.jsonl", hashlib.sha256(content).hexdigest(), len(content), 12, 240)


def request(provider: str, base_model: str) -> Request:
    return Request(
        tenant="acme", run_id=str(uuid4()), dataset_id=str(uuid4()), version=1, agent_id="shop",
        agent_version=1, base_model=base_model, provider=provider, key_id=str(uuid4()),
        method="supervised", training=training_file(), validation=None, prompt_fingerprint="a" * 64,
        hyperparameters={"n_epochs": 2}, suffix="shop", seed=7,
    )  # fmt: skip


@pytest.fixture(params=sorted(POSES))
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stage(provider: str, tmp_path: Path, simulator: RunningSimulator) -> AsyncIterator[Stage]:
    path = tmp_path / "catalogue.yaml"
    path.write_text(simulated_catalogue(simulator.address))
    catalogue = Catalogue(path)
    base = next(one.id for one in catalogue.base_models if one.provider == provider)
    run = Run(request=request(provider, base), created_at=datetime.now(UTC), epoch=1)
    async with DefaultAsyncHttpxClient(trust_env=False) as http:
        yield Stage(simulator, catalogue[provider], catalogue.limits(provider, base), run, http)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path / "simulator", speed=40) as running:
        yield running


async def ended(account: Provider, job: Job) -> Job:
    for _ in range(500):
        job = await account.job(job.id)
        if job.status in {"succeeded", "failed", "cancelled"}:
            return job
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {job.status}")


def test_every_entry_that_trains_has_a_pose(simulator: RunningSimulator, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(simulated_catalogue(simulator.address))
    assert {one.id for one in Catalogue(path).providers if one.protocol == "jobs"} == set(POSES)


async def test_a_run_goes_from_file_to_model(stage: Stage) -> None:
    account = stage.account()
    run, job = await stage.submitted(account)
    assert [one.id for one in await account.files(file_prefix(run))] == [run.training_file_id]
    assert [one.id for one in await account.jobs(run)] == [job.id]

    done = await ended(account, job)
    assert done.status == "succeeded"
    assert done.model
    assert done.trained_tokens
    diary = await account.events(job.id, None)
    assert {line.code for line in diary} >= {"job_created", "training_started", "step_done", "job_completed"}
    assert await account.events(job.id, diary[0].id) == []

    made = await account.checkpoints(job.id)
    assert (made is not None) == stage.entry.capabilities.checkpoints
    results = await account.result_file(done)
    assert results.startswith(b"step,train_loss") == stage.entry.capabilities.result_files


async def test_a_tuned_models_name_leads_back_to_its_base(stage: Stage, tmp_path: Path) -> None:
    account = stage.account()
    run, job = await stage.submitted(account)
    done = await ended(account, job)
    catalogue = Catalogue(tmp_path / "catalogue.yaml")
    base = catalogue.base_model(stage.entry.id, done.model or "")
    if stage.entry.tuned_names:
        assert base is not None
        assert base.id == run.request.base_model
    else:
        assert base is None


async def test_preferences_are_trained_where_the_server_can(stage: Stage) -> None:
    if "dpo" not in stage.entry.capabilities.methods:
        return
    account = stage.account()
    said = [{"role": "user", "content": "Where is order 7?"}]
    better, worse = ({"role": "assistant", "content": text} for text in ("On its way.", "No idea."))
    line = {"input": {"messages": said}, "preferred_output": [better], "non_preferred_output": [worse]}
    asked = replace(stage.run.request, method="dpo", hyperparameters={"n_epochs": 1, "beta": 0.1})
    stage.run = replace(stage.run, request=asked)
    _, job = await stage.submitted(account, training_lines([line] * 10))
    assert (await ended(account, job)).status == "succeeded"
    _, odd = await stage.submitted(account, training_lines([line | {"preferred_output": []}] * 10))
    refused = await ended(account, odd)
    assert (refused.status, refused.error_code) == ("failed", "invalid_file_format")


async def test_the_jobs_of_other_runs_are_not_taken_for_its_own(stage: Stage) -> None:
    account = stage.account()
    mine, job = await stage.submitted(account)
    stage.run = Run(
        request=request(stage.entry.id, mine.request.base_model), created_at=datetime.now(UTC), epoch=1
    )
    await stage.submitted(account)
    assert [one.id for one in await account.jobs(mine)] == [job.id]


async def test_pause_and_resume_where_the_server_can(provider: str, tmp_path: Path) -> None:
    with RunningSimulator(tmp_path / "slow", speed=2) as slow:
        path = tmp_path / "catalogue.yaml"
        path.write_text(simulated_catalogue(slow.address))
        catalogue = Catalogue(path)
        base = next(one.id for one in catalogue.base_models if one.provider == provider)
        run = Run(request=request(provider, base), created_at=datetime.now(UTC), epoch=1)
        async with DefaultAsyncHttpxClient(trust_env=False) as http:
            stage = Stage(slow, catalogue[provider], catalogue.limits(provider, base), run, http)
            account = stage.account()
            _, job = await stage.submitted(account)
            can = stage.entry.capabilities.pause
            assert await account.pause(job.id) is can
            assert ((await account.job(job.id)).status == "paused") is can
            assert await account.resume(job.id) is can
            assert not await account.resume(job.id)
            await account.cancel(job.id)
            assert (await account.job(job.id)).status == "cancelled"
            await account.cancel(job.id)  # it has ended: no error


async def test_a_file_is_deleted_and_a_job_on_it_is_refused(stage: Stage) -> None:
    account = stage.account()
    file_id = await account.upload(file_name(stage.run, training_file()), io.BytesIO(CONTENT))
    await account.delete_file(file_id)
    await account.delete_file(file_id)
    with pytest.raises(RefusedError) as refused:
        await account.create_job(replace(stage.run, training_file_id=file_id))
    assert refused.value.code == "invalid_training_file"


async def test_a_key_that_is_none_is_refused(stage: Stage) -> None:
    with pytest.raises(KeyRefusedError):
        await stage.account("not-a-key").files("x")
    with pytest.raises(MissingError):
        await stage.account("sk-another").job("ftjob-nobody")


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 333):
        yield content[start : start + 333]


async def test_a_large_file_comes_in_parts_where_the_server_takes_them(stage: Stage) -> None:
    account = stage.account(file_bytes=1_000, part_bytes=400)
    name, file = file_name(stage.run, training_file()), training_file()
    if not stage.entry.capabilities.uploads:
        with pytest.raises(RefusedError) as refused:
            account.in_parts(file)
        assert refused.value.code == "file_too_large"
        return
    assert account.in_parts(file)
    file_id = await account.upload_in_parts(name, file, chunks(CONTENT))
    assert [(one.id, one.name) for one in await account.files(name)] == [(file_id, name)]
    counts = stage.simulator.admin("GET", "requests")["requests"]
    assert counts["POST /v1/uploads/{id}/parts"] == -(-len(CONTENT) // 400)

    damaged = CONTENT.replace(b"order 3?", b"order 4?")
    with pytest.raises(RefusedError) as refused:
        await account.upload_in_parts(name, file, chunks(damaged))
    assert refused.value.code == "file_damaged"
    assert len(await account.files(name)) == 1
