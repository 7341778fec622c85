"""agent-svc on real Kafka and PostgreSQL: agents, sealed keys, routes, the chat gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from chassis.vault import SecretId
from contracts.agents import SharedTarget
from contracts.training import ModelActivated
from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import Surroundings
from tests.harness import bodies, publish, publisher, service, until

SHOP: dict[str, Any] = {
    "name": "Shop",
    "prompt": "You sell apples.",
    "tools": [],
    "base_model": "gpt-4o-mini-2024-07-18",
    "provider": "openai",
}
SECRET = "sk-canary-0123456789abcdef"


@pytest.fixture
async def agent_svc(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[Any]:
    with RunningSimulator(tmp_path / "simulator") as simulator:
        catalogue = tmp_path / "catalogue.yaml"
        address = simulator.base_url
        catalogue.write_text(f"providers: [{{id: openai, base_url: '{address}', allow_private: true}}]")
        async with service(surroundings, "agent-svc", tmp_path, catalogue=str(catalogue)) as running:
            yield running


async def with_key(running: Any) -> Any:
    api = await running.client()
    assert (await api.put("/v1/agents/shop", json=SHOP)).status_code == 201
    answer = await api.put("/v1/agents/shop/keys/openai", json={"key": SECRET})
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    return api, answer.json()["key_id"]


async def test_each_change_is_a_version_and_the_same_again_is_not(agent_svc: Any) -> None:
    api = await agent_svc.client()
    assert (await api.put("/v1/agents/shop", json=SHOP)).json()["version"] == 1
    assert (await api.put("/v1/agents/shop", json=SHOP)).json()["version"] == 1
    assert (await api.put("/v1/agents/shop", json=SHOP | {"prompt": "Pears."})).json()["version"] == 2
    versions = (await api.get("/v1/agents/shop/versions")).json()["items"]
    assert [one["version"] for one in versions] == [2, 1]
    assert (await api.get("/v1/agents/shop/versions/1")).json()["prompt"] == SHOP["prompt"]


async def test_an_unsafe_function_schema_is_refused_by_place(agent_svc: Any) -> None:
    api = await agent_svc.client()
    tool = {"type": "function", "function": {"name": "f", "parameters": {"$ref": "http://evil/x"}}}
    answer = await api.put(
        "/v1/agents/shop", json=SHOP | {"tools": [tool]}, headers={"Accept-Language": "ru"}
    )
    assert answer.status_code == 422
    assert answer.json()["field"] == "tools.0.function.parameters/$ref"
    assert "Исправьте" in answer.json()["action"]


async def test_the_key_is_sealed_and_told_by_its_last_four_only(
    surroundings: Surroundings, agent_svc: Any
) -> None:
    api, key_id = await with_key(agent_svc)
    shown = (await api.get("/v1/agents/shop")).json()["keys"][0]
    assert (shown["last4"], shown["training"]) == ("cdef", "unverified")
    assert (await api.post("/v1/agents/shop/keys/openai/check")).json()["infer"] == "yes"
    async with surroundings.databases.connection(surroundings.database) as connection:
        row = await connection.fetchrow(
            "SELECT key_id, version, sealed FROM vault.secrets WHERE key_id = $1", key_id
        )
    assert row is not None
    assert SECRET.encode() not in bytes(row["sealed"])
    assert SecretId("acme", str(row["key_id"]), row["version"]).key_id == key_id

    async def told() -> bool:
        return any(body["keys"] for body in await bodies(surroundings, "agent.updated"))

    await until(told)
    assert SECRET not in str(await bodies(surroundings, "agent.updated"))


async def test_an_activation_routes_and_a_stale_one_is_rejected(
    surroundings: Surroundings, agent_svc: Any
) -> None:
    api, key_id = await with_key(agent_svc)

    def activation(model: str, version: int) -> ModelActivated:
        target = SharedTarget(model=model, provider="openai", key_id=key_id, share=1)
        return ModelActivated(
            activation_id=str(uuid7()),
            agent_id="shop",
            expected_route_version=version,
            targets=(target,),
            by="olga",
            reason="try",
        )

    async with publisher(surroundings) as producer:
        events = [activation("gpt-4o-2024-08-06", 0), activation("stale", 0)]
        await publish(producer, surroundings, events, sequences=[1, 2])

    async def both() -> Any:
        found = await bodies(surroundings, "agent.routed")
        return found if len(found) == 2 else None

    first, second = await until(both)
    assert (first["route_version"], first["reason"]) == (1, "activated")
    assert (second["route_version"], second["reason"]) == (1, "rejected")
    assert second["effective"]["targets"][0]["model"] == "gpt-4o-2024-08-06"
    assert (await api.post("/v1/agents/shop/rollback")).json()["route_version"] == 2
    assert (await api.get("/v1/agents/shop/route")).json()["effective"] is None


async def test_a_chat_without_a_key_says_what_to_do(agent_svc: Any) -> None:
    api = await agent_svc.client()
    await api.put("/v1/agents/shop", json=SHOP)
    answer = await api.post(
        "/v1/chat/completions", json={"model": "agent:shop", "messages": [{"role": "user", "content": "hi"}]}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_provider_key")
