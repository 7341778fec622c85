"""training-svc on real servers with the provider simulator: a run's way and what can disturb it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.agents import AgentRouted, Route, SharedTarget
from deploy.stack.services import Surroundings
from tests.harness import bodies, until
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
    (model,) = (await api.get("/v1/models", params={"agent_id": "shop"})).json()["items"]
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
        return answer if answer["items"][0]["serving"] else None

    assert (await until(serves))["route_version"] == 1
    late = await api.post("/v1/agents/shop/activate-base", json={"expected_route_version": 0})
    assert (late.status_code, late.json()["code"]) == (409, "route_changed")
    back = await api.post("/v1/agents/shop/activate-base", json={"expected_route_version": 1})
    assert back.status_code == 202
    assert service.stop() == 0
