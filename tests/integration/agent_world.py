"""What tests of agent-svc share: a simulator, a catalogue, the service, events of training."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from uuid_utils.compat import uuid7

from contracts.agents import SharedTarget
from contracts.event import Event
from contracts.training import ModelActivated, TrainingStatus
from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import Surroundings
from tests.harness import Running, bodies, publish, publisher, service, until

BASE = "gpt-4o-mini-2024-07-18"
SHOP: dict[str, Any] = {
    "name": "Shop",
    "prompt": "You sell apples.",
    "tools": [],
    "base_model": BASE,
    "provider": "openai",
}
SECRET = "sk-canary-0123456789abcdef"
PROVIDERS = """
providers:
  - {{id: openai, name: OpenAI, base_url: '{url}', allow_private: true,
      organisation_header: openai-organization}}
  - {{id: azure, name: Azure, base_url: '{address}/{{part}}', allow_private: true,
      variables: {{part: {{label: {{en: Part, ru: Часть}}}}}}}}
  - {{id: nebius, name: Nebius, base_url: '{url}', allow_private: true}}
  - {{id: gone, name: Gone, base_url: '{url}', allow_private: true,
      closings: [{{since: 2020-02-01, whom: {{en: all, ru: все}}, everybody: true}}]}}
base_models:
  - {{id: gpt-4o-mini-2024-07-18, provider: openai, name: {{en: mini, ru: мини}}}}
  - {{id: gpt-4o-2024-08-06, provider: openai, name: {{en: smart, ru: умная}}}}
  - {{id: base, provider: azure, name: {{en: a, ru: а}}}}
  - {{id: base, provider: nebius, name: {{en: n, ru: н}}}}
  - {{id: base, provider: gone, name: {{en: g, ru: г}}}}
"""


@dataclass
class AgentWorld:
    """agent-svc, running, and the provider that it asks."""

    surroundings: Surroundings
    simulator: RunningSimulator
    running: Running
    catalogue: Path
    sequence: int = 0

    async def call(
        self, method: str, path: str, tenant: str = "acme", role: str = "owner", **more: Any
    ) -> httpx.Response:
        client = await self.running.client(tenant, role)
        return await client.request(method, path, **more)

    async def ok(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.call(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def agent(self, agent_id: str = "shop", **more: Any) -> Any:
        return await self.ok("PUT", f"/v1/agents/{agent_id}", json=SHOP | more)

    async def key(
        self, secret: str = SECRET, agent_id: str = "shop", provider: str = "openai", **more: Any
    ) -> Any:
        path = f"/v1/agents/{agent_id}/keys/{provider}"
        return await self.ok("PUT", path, json={"key": secret, **more})

    async def publish(self, *events: Event, tenant: str = "acme") -> None:
        async with publisher(self.surroundings) as producer:
            numbers = [self.sequence + place for place in range(1, len(events) + 1)]
            self.sequence += len(events)
            await publish(producer, self.surroundings, events, tenant=tenant, sequences=numbers)

    async def activate(self, model: str, key_id: str, run_id: str | None = None, version: int = 0) -> None:
        """Put a model into service, and wait until it is."""
        target = SharedTarget(model=model, provider="openai", key_id=key_id, share=1, run_id=run_id)
        await self.publish(
            ModelActivated(
                activation_id=str(uuid7()), agent_id="shop", expected_route_version=version,
                targets=(target,), by="olga", reason="try",
            )
        )  # fmt: skip

        async def routed() -> bool:
            return bool((await self.ok("GET", "/v1/agents/shop/route"))["route_version"] == version + 1)

        await until(routed)

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        async with self.surroundings.databases.connection(self.surroundings.database) as connection:
            return list(await connection.fetch(sql, *arguments))

    async def updated(self, agent_id: str = "shop") -> list[Any]:
        """What agent.updated said of an agent, in order."""
        found = await bodies(self.surroundings, "agent.updated")
        return [one for one in found if one["agent_id"] == agent_id]

    async def tells(self, agent_id: str = "shop", **wanted: Any) -> Any:
        """The newest agent.updated, once it says this of the agent's one key."""

        async def so() -> Any:
            found = await self.updated(agent_id)
            keys = found[-1]["keys"] if found else []
            return keys and {name: keys[0][name] for name in wanted} == wanted and found[-1]

        return await until(so, what=str(wanted))


def run_status(key_id: str, run_id: str | None = None, **more: Any) -> TrainingStatus:
    """A run's snapshot, with only what a test says of it."""
    known: dict[str, Any] = {
        "run_id": run_id or str(uuid7()),
        "dataset_id": str(uuid7()),
        "version": 1,
        "agent_id": "shop",
        "base_model": BASE,
        "provider": "openai",
        "key_id": key_id,
        "prompt_fingerprint": "0" * 64,
        "agent_version": 1,
        "status": "waiting",
        "step": "following",
    }
    return TrainingStatus.model_validate(known | more)


@asynccontextmanager
async def agent_world(surroundings: Surroundings, folder: Path, **settings: str) -> AsyncIterator[AgentWorld]:
    """agent-svc with nothing in it yet; `settings` are further MORTARBOARD_ variables."""
    with RunningSimulator(folder / "simulator") as simulator:
        catalogue = folder / "catalogue.yaml"
        catalogue.write_text(PROVIDERS.format(url=simulator.base_url, address=simulator.address))
        more = {"catalogue": str(catalogue), "tidy_every": "0.2", "check_poll": "0.2"} | settings
        async with service(surroundings, "agent-svc", folder, **more) as running:
            yield AgentWorld(surroundings, simulator, running, catalogue)
