"""Agents over HTTP: who saw what, versions with differences, drift from what models were taught."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from deploy.stack.services import Surroundings
from tests.harness import until
from tests.integration.agent_world import SHOP, AgentWorld, agent_world, run_status

PRICE = {"type": "function", "function": {"name": "price", "parameters": {"type": "object"}}}
WIDER = {
    "type": "function",
    "function": {"name": "price", "parameters": {"type": "object", "required": ["sort"]}},
}


@pytest.fixture
async def world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(surroundings, tmp_path) as made:
        yield made


async def put(world: AgentWorld, headers: dict[str, str], **more: Any) -> Any:
    return await world.call("PUT", "/v1/agents/shop", json=SHOP | more, headers=headers)


async def test_a_change_on_an_older_version_is_refused_and_names_who_changed_it(world: AgentWorld) -> None:
    made = await put(world, {"If-None-Match": "*"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert (await put(world, {"If-None-Match": "*"})).json()["code"] == "agent_exists"
    assert (await put(world, {"If-Match": '"1"'}, prompt="Pears.")).headers["ETag"] == '"2"'
    assert (await world.call("GET", "/v1/agents/shop")).headers["ETag"] == '"2"'
    late = await put(world, {"If-Match": '"1"'}, prompt="Plums.")
    assert (late.status_code, late.json()["code"]) == (412, "agent_changed")
    assert [one["version"] for one in late.json()["changes"]] == [2]
    assert late.json()["changes"][0]["by"]
    assert (await put(world, {"If-Match": "none"}, prompt="Plums.")).status_code == 428
    assert (await world.ok("GET", "/v1/agents/shop"))["prompt"] == "Pears."


async def test_versions_come_by_pages_and_can_be_compared(world: AgentWorld) -> None:
    await world.agent(tools=[PRICE])
    await world.agent(prompt="You sell apples and pears.", tools=[WIDER])
    await world.agent(prompt="You sell pears.", base_model="gpt-4o-2024-08-06")
    first = await world.ok("GET", "/v1/agents/shop/versions?limit=2")
    assert [one["version"] for one in first["items"]] == [3, 2]
    rest = await world.ok("GET", f"/v1/agents/shop/versions?limit=2&cursor={first['next_cursor']}")
    assert ([one["version"] for one in rest["items"]], rest["next_cursor"]) == ([1], None)
    diff = await world.ok("GET", "/v1/agents/shop/versions/1/diff/2")
    assert [one for one in diff["prompt"] if one["op"] != "same"] == [{"op": "added", "text": " and pears"}]
    assert [(one["name"], one["fields"]) for one in diff["functions"]["changed"]] == [
        ("price", ["parameters"])
    ]
    back = await world.ok("GET", "/v1/agents/shop/versions/3/diff/2")
    assert back["functions"]["added"] == ["price"]
    assert back["settings"]["base_model"]["before"] == "gpt-4o-2024-08-06"
    assert (await world.call("GET", "/v1/agents/shop/versions/1/diff/9")).status_code == 404


@pytest.mark.parametrize("name", ["", "two words", "x" * 65])
async def test_a_function_name_that_providers_refuse_is_refused_here(world: AgentWorld, name: str) -> None:
    wrong = {"type": "function", "function": {"name": name, "parameters": {}}}
    answer = await put(world, {}, tools=[PRICE, wrong])
    assert answer.status_code == 422
    assert answer.json()["field"].endswith("tools.1.function.name")
    twice = await put(world, {}, tools=[PRICE, WIDER])
    assert (twice.json()["code"], twice.json()["field"]) == ("function_name_invalid", "tools.1.function.name")


async def drift(world: AgentWorld, language: str = "en") -> Any:
    return await world.ok("GET", "/v1/agents/shop/drift", headers={"Accept-Language": language})


async def test_drift_is_measured_from_what_each_model_in_service_was_taught(world: AgentWorld) -> None:
    await world.agent(prompt="one two three four five", tools=[PRICE])
    (base,) = (await drift(world))["items"]
    assert (base["run_id"], base["score"], base["stale"]) == (None, None, False)
    key, run = await world.key(), str(uuid7())
    model = "ft:gpt-4o-mini:acme::1"
    await world.publish(
        run_status(key["key_id"], run, status="ready", model=model, agent_version=1, provider_job_id="j")
    )

    async def known() -> bool:
        return bool(await world.rows("SELECT FROM agent_svc.runs WHERE status = 'ready'"))

    await until(known)
    await world.activate(model, key["key_id"], run)
    (fresh,) = (await drift(world))["items"]
    assert (fresh["score"], fresh["stale"], fresh["taught_version"]) == (0, False, 1)
    await world.agent(prompt="one two three four 5", tools=[PRICE])
    (moved,) = (await drift(world, "ru"))["items"]
    assert (moved["score"], moved["because"]) == (0.2, ["prompt_changed"])
    assert moved["action"]["code"] == "train_again"
    assert "запустите обучение" in moved["action"]["text"]
    await world.agent(prompt="one two three four 5", tools=[PRICE], stale_at=0.5)
    assert (await drift(world))["items"][0]["stale"] is False
    await world.agent(prompt="one two three four five", tools=[WIDER])
    assert (await drift(world))["items"][0]["because"] == ["function_changed"]


async def test_the_run_of_a_model_that_was_registered_without_one_is_found_by_name(world: AgentWorld) -> None:
    await world.agent()
    key, model = await world.key(), "ft:gpt-4o-mini:acme::1:ckpt-step-88"
    checkpoints = [{"model": model, "step": 88}]
    await world.publish(
        run_status(key["key_id"], status="ready", model="ft:x", checkpoints=checkpoints, provider_job_id="j")
    )

    async def known() -> bool:
        return bool(await world.rows("SELECT FROM agent_svc.runs"))

    await until(known)
    await world.activate(model, key["key_id"])
    (found,) = (await drift(world))["items"]
    assert (found["taught_version"], found["score"]) == (1, 0)
