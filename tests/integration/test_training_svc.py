"""training-svc on real servers with the provider simulator: a run's way and what can disturb it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openai import AsyncOpenAI

from contracts.agents import AgentRouted, Route, SharedTarget
from contracts.datasets import DatasetWithdrawn
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, until
from tests.integration.training_world import BASE, World, world


@pytest.fixture
async def a_world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[World]:
    async with world(surroundings, tmp_path) as made:
        yield made


async def test_a_request_becomes_a_model_in_service(a_world: World) -> None:
    service = await a_world.started()
    ready = await a_world.request()
    await a_world.publish(ready)
    row = await a_world.row_when(ready.run_id, status="ready")

    (job,) = a_world.jobs(ready.run_id)
    assert (job["status"], row["job_id"]) == ("succeeded", job["id"])
    name = rf"{ready.run_id}-\d+-{ready.files.training.sha256[:16]}\.jsonl"
    assert re.fullmatch(name, job["training_file_name"])

    async def all_told() -> Any:
        told = await a_world.statuses(ready.run_id)
        return told if told[-1]["status"] == "ready" else None

    told = await until(all_told)
    assert [told[0]["status"], told[0]["step"]] == ["unknown", "preparing"]
    assert told[-1]["model"] == row["model"]
    assert row["model"].startswith(f"ft:{BASE}:")
    assert told[-1]["cost_microdollars"] == told[-1]["trained_tokens"] * 3
    assert len(told[-1]["checkpoints"]) == 3

    api = await service.client()
    models = (await api.get("/v1/models", params={"agent_id": "shop"})).json()["items"]
    assert sorted(one["kind"] for one in models) == ["checkpoint", "checkpoint", "checkpoint", "final"]
    (model,) = [one for one in models if one["kind"] == "final"]
    assert (model["model"], model["serving"], model["prompt_changed"]) == (row["model"], False, False)
    headers = {"Idempotency-Key": "k1"}
    body = {"expected_route_version": 0}
    url = f"/v1/models/{model['model_id']}/activate"
    first = await api.post(url, json=body, headers=headers)
    again = await api.post(url, json=body, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    (activated,) = await until(lambda: bodies(a_world.surroundings, "model.activated"))
    assert activated["activation_id"] == first.json()["activation_id"]
    assert activated["targets"] == [
        {
            "model": row["model"],
            "provider": "openai",
            "key_id": a_world.key_id,
            "run_id": ready.run_id,
            "share": 1.0,
        }
    ]
    assert activated["fallback"]["model"] == BASE

    route = Route(targets=(SharedTarget(**activated["targets"][0]),))
    routed = AgentRouted(
        agent_id="shop",
        route_version=1,
        activation_id=activated["activation_id"],
        desired=route,
        effective=route,
        reason="activated",
    )
    await a_world.publish(routed, source="/agent-svc")

    async def serves() -> Any:
        answer = (await api.get("/v1/models", params={"agent_id": "shop"})).json()
        (served,) = [one for one in answer["items"] if one["serving"]] or [None]
        return answer if served and served["model"] == row["model"] else None

    assert (await until(serves))["route_version"] == 1
    late = await api.post("/v1/agents/shop/activate-base", json={"expected_route_version": 0})
    assert (late.status_code, late.json()["code"]) == (409, "route_changed")
    back = await api.post("/v1/agents/shop/activate-base", json={"expected_route_version": 1})
    assert back.status_code == 202
    assert service.stop() == 0


async def test_refusals_end_the_run_in_words_an_owner_understands(a_world: World) -> None:
    service = await a_world.started()
    api = await service.client()

    async def ended(status: str, **more: Any) -> dict[str, Any]:
        ready = await a_world.request(**more)
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, status=status, litter=False)
        answer = await api.get(f"/v1/runs/{ready.run_id}", headers={"Accept-Language": "ru"})
        run: dict[str, Any] = answer.json()
        return run

    a_world.simulator.add_fault("training_not_available")
    run = await ended("failed")
    assert run["error"]["code"] == "training_not_available"
    assert "с 2027-01-06 — для всех" in run["error"]["message"]
    assert "По-прежнему обучают: Azure OpenAI" in run["error"]["message"]
    assert run["error"]["action"] == "Обучайте у другого провайдера."
    assert await provider_files(a_world, run["run_id"]) == []
    (told,) = [body for body in await a_world.statuses(run["run_id"]) if body["status"] == "failed"]
    assert "from 2027-01-06 not for everybody" in told["error"]["message"]

    a_world.simulator.add_fault("insufficient_quota", match={"method": "POST", "path": "/v1/files"})
    assert (await ended("failed"))["error"]["code"] == "insufficient_quota"

    run = await ended("failed", examples=5)
    assert (run["error"]["code"], a_world.jobs(run["run_id"])) == ("invalid_n_examples", [])

    run = await ended("failed", budget_microdollars=1)
    assert run["error"]["code"] == "over_budget"
    assert a_world.jobs(run["run_id"]) == []

    a_world.simulator.add_fault(
        "rate_limit", retry_after=0.2, match={"method": "POST", "path": "/v1/fine_tuning/jobs"}
    )
    run = await ended("ready")
    assert (run["error"], len(a_world.jobs(run["run_id"]))) == (None, 1)
    assert not (await a_world.row_when(run["run_id"]))["doubted"]


async def provider_files(a_world: World, run_id: str) -> list[str]:
    """Names of the run's files at the provider."""
    client = AsyncOpenAI(api_key=a_world.key, base_url=a_world.simulator.base_url)
    async with client:
        return [one.filename async for one in client.files.list() if one.filename.startswith(run_id)]


async def test_a_refused_key_asks_for_its_owner_and_a_new_one_goes_on(a_world: World) -> None:
    bad = {"match": {"key": a_world.key}, "times": None}
    a_world.simulator.add_fault("unauthorized", **bad)
    await a_world.started()
    ready = await a_world.request()
    await a_world.publish(ready)

    async def refused() -> Any:
        told = await bodies(a_world.surroundings, "training.status")
        return [body for body in told if body.get("key_id") == a_world.key_id and "run_id" not in body]

    (event,) = await until(refused)
    assert (event["version"], event["code"]) == (1, "key_refused")
    told = (await a_world.statuses(ready.run_id))[-1]
    assert (told["status"], told["attention"]["code"]) == ("unknown", "key_refused")

    a_world.key = "sk-owner-of-acme-renewed"
    await a_world.seal_key(version=2)
    await a_world.announce_agent(version=2, sequence=2)
    row = await a_world.row_when(ready.run_id, status="ready")
    assert (row["key_version"], row["attention"]) == (2, None)
    assert len(await refused()) == 1
    assert len(a_world.jobs(ready.run_id)) == 1


async def test_what_a_provider_may_answer_is_tolerated(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=8.0) as a_world:
        fault = {"match": {"path": "/v1/fine_tuning/jobs*"}}
        for name in ("null_error_fields", "empty_error_object"):
            a_world.simulator.add_fault(name, times=2, **fault)
        a_world.simulator.add_fault("unknown_state", times=3, state="awaiting_capacity", **fault)
        a_world.simulator.add_fault("server_error", times=2, match={"method": "GET", "path": "/v1/fine*"})
        await a_world.started()
        ready = await a_world.request()
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, status="ready")
        told = await a_world.statuses(ready.run_id)
        strange = [body for body in told if body["provider_status"] == "awaiting_capacity"]
        assert {body["status"] for body in strange} <= {"unknown", "waiting", "training"}
        assert strange
        assert [body["status"] for body in told][-1] == "ready"


async def test_cancelled_while_training_and_before(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=1.0) as a_world:
        service = await a_world.started()
        api = await service.client()
        ready = await a_world.request()
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, status="waiting")
        answer = await api.post(f"/v1/runs/{ready.run_id}/cancel")
        assert (answer.status_code, answer.json()["asked"]) == (202, "cancel")
        row = await a_world.row_when(ready.run_id, status="cancelled")
        assert row["asked"] is None
        assert [job["status"] for job in a_world.jobs(ready.run_id)] == ["cancelled"]

        # in doubt: the cancel waits until it is known whether there is a job
        doubtful = await a_world.request()
        a_world.simulator.add_fault("answer_lost_after_create")
        await a_world.publish(doubtful)
        await a_world.row_when(doubtful.run_id, step="confirming")
        await api.post(f"/v1/runs/{doubtful.run_id}/cancel")
        await a_world.row_when(doubtful.run_id, status="cancelled")
        assert [job["status"] for job in a_world.jobs(doubtful.run_id)] == ["cancelled"]


async def test_a_withdrawn_version_is_not_trained_on(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=1.0) as a_world:
        service = await a_world.started()
        running = await a_world.request()
        await a_world.publish(running)
        await a_world.row_when(running.run_id, step="following")
        gone = DatasetWithdrawn(
            agent_id="shop", dataset_id=running.dataset_id, version=running.version, reason="erased"
        )
        late = await a_world.request(dataset_id=running.dataset_id, hyperparameters={"n_epochs": 1})
        await a_world.publish(gone, late)
        row = await a_world.row_when(late.run_id, status="failed")
        assert row["job_id"] is None
        assert a_world.jobs(late.run_id) == []
        api = await service.client()

        async def told() -> Any:
            run = (await api.get(f"/v1/runs/{running.run_id}")).json()
            return run["attention"]

        assert (await until(told))["code"] == "version_withdrawn"
        row = await a_world.row_when(running.run_id, status="training")
        assert (await told())["code"] == "version_withdrawn"
        # at the latest within a day, whether the job has ended by then or not
        assert now() < row["files_until"] < now() + timedelta(hours=24)
        # a version from which more is erased later is not put off by that
        later = await a_world.request(dataset_id=running.dataset_id, hyperparameters={"n_epochs": 2})
        await a_world.publish(gone, later)
        await a_world.row_when(later.run_id, status="failed")
        again = await a_world.row(running.run_id)
        assert again is not None
        assert again["files_until"] == row["files_until"]


async def test_what_was_made_of_an_erased_dialog_is_reported(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with world(surroundings, tmp_path, speed=20.0) as a_world:
        await a_world.started(files_kept="3600", tidy_every="0.1")
        ready = await a_world.request()
        await a_world.publish(ready)
        row = await a_world.row_when(ready.run_id, status="ready")
        assert row["files_state"] == "kept"
        erasure, later = str(uuid4()), str(uuid4())
        gone = DatasetWithdrawn(
            agent_id="shop", dataset_id=ready.dataset_id, version=1, reason="erased", erasure_ids=(erasure,)
        )
        untrained = gone.model_copy(update={"version": 2, "erasure_ids": (later,)})
        await a_world.publish(gone, untrained)

        async def done(of: str) -> Any:
            words = await bodies(surroundings, "dialog.forgotten")
            found = [one for one in words if one["erasure_id"] == of and one["state"] == "done"]
            return found and found[-1]

        word = await until(lambda: done(erasure))
        held = {(one["kind"], one["state"]): one["id"] for one in word["held"]}
        assert held == {
            ("version", "deleted"): f"{ready.dataset_id}:1",
            ("run", "kept"): ready.run_id,
            ("provider_file", "deleted"): row["training_file_id"],
            ("model", "kept"): row["model"],
        }
        assert await a_world.files(ready.run_id) == []
        word = await until(lambda: done(later))
        assert [one["id"] for one in word["held"]] == [f"{ready.dataset_id}:2"]


async def test_a_refresh_asks_the_provider_once_in_a_while(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with world(surroundings, tmp_path, speed=0.1) as a_world:
        service = await a_world.started(follow_fast="600", follow_interval="600")
        ready = await a_world.request()
        await a_world.publish(ready)
        before = await a_world.row_when(ready.run_id, status="waiting")
        api = await service.client()
        first = (await api.post(f"/v1/runs/{ready.run_id}/refresh")).json()
        assert first["checked_at"] > before["checked_at"].isoformat()
        seen = (await a_world.requests())["GET /v1/fine_tuning/jobs/{id}"]
        second = (await api.post(f"/v1/runs/{ready.run_id}/refresh")).json()
        assert second["checked_at"] == first["checked_at"]
        assert (await a_world.requests())["GET /v1/fine_tuning/jobs/{id}"] == seen


async def test_nobody_sees_or_changes_what_belongs_to_another_tenant(a_world: World) -> None:
    service = await a_world.started()
    ready = await a_world.request()
    await a_world.publish(ready)
    await a_world.row_when(ready.run_id, status="ready")
    other = await service.client(tenant="other")
    run = f"/v1/runs/{ready.run_id}"
    calls = [
        await other.get(run),
        await other.get(f"{run}/events"),
        await other.post(f"{run}/refresh"),
        await other.post(f"{run}/cancel"),
        await other.post(f"{run}/pause"),
        await other.post(f"{run}/resume"),
        await other.get(f"{run}/metrics"),
        await other.get(f"{run}/file"),
        await other.get(f"/v1/models/{ready.run_id}"),
        await other.get("/v1/models/compare", params={"a": ready.run_id, "b": ready.run_id}),
        await other.post("/v1/models", json={"agent_id": "shop", "provider": "openai", "model": "m"}),
        await other.post(f"/v1/models/{ready.run_id}/activate", json={"expected_route_version": 0}),
        await other.post("/v1/agents/shop/activate-base", json={"expected_route_version": 0}),
    ]
    assert [answer.status_code for answer in calls] == [404] * len(calls)
    assert (await other.get("/v1/runs")).json()["items"] == []
    assert (await other.get("/v1/models", params={"agent_id": "shop"})).json()["items"] == []
    mine = await service.client()
    assert [one["run_id"] for one in (await mine.get("/v1/runs")).json()["items"]] == [ready.run_id]
    diary = (await mine.get(f"{run}/events", headers={"Accept-Language": "ru"})).json()["items"]
    assert diary[0]["message"] == "Обучение завершено"
    models = (await mine.get("/v1/base-models", params={"agent_id": "shop"})).json()["items"]
    listed = (await mine.get("/v1/base-models", headers={"Accept-Language": "ru"})).json()["providers"]
    by_id = {one["provider"]: one for one in listed}
    assert by_id["azure"]["variables"]["resource"]["label"] == "Имя ресурса Azure"
    assert by_id["openai"]["closings"][-1] == {
        "since": "2027-01-06", "whom": "всех", "everybody": True, "passed": False,
    }  # fmt: skip
    assert not by_id["nebius"]["capabilities"]["pause"]
    keys = {(one["provider"], one["key"]["key_id"] if one["key"] else None) for one in models}
    assert ("openai", a_world.key_id) in keys
    assert ("azure", None) in keys
    body = {"base_model": BASE, "tokens": 1_000_000, "examples": 100}
    cost = (await mine.post("/v1/estimates", json=body)).json()
    assert (cost["epochs"], cost["trained_tokens"]) == (3, 3_000_000)
    assert cost["low_microdollars"] < 9_000_000 < cost["high_microdollars"]
