"""agent-svc beside the provider simulator: chats through the gateway, routes, what was recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from uuid_utils.compat import uuid7

from contracts.agents import SharedTarget, Target
from contracts.training import ModelActivated
from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import Surroundings
from tests.harness import Running, bodies, instance, publish, publisher, service, until

BASE = "gpt-4o-mini-2024-07-18"
SMART = "gpt-4o-2024-08-06"
SHOP: dict[str, Any] = {
    "name": "Shop",
    "prompt": "You sell apples.",
    "tools": [],
    "base_model": BASE,
    "provider": "openai",
}
SECRET = "sk-gateway-0123456789abcdef"
OTHER_SECRET = "sk-elsewhere-0123456789abcd"
CHAT = "/v1/chat/completions"


@dataclass
class World:
    """A running gateway with an agent named shop."""

    surroundings: Surroundings
    simulator: RunningSimulator
    agents: Running
    api: httpx.AsyncClient
    key_id: str
    activations: int = 0

    async def ask(self, messages: list[dict[str, Any]], dialog: str = "", **more: Any) -> httpx.Response:
        """One chat request; `more` are headers (`x_message_id="m1"`) and, as `body`, further fields."""
        body = {"model": "agent:shop", "messages": messages} | more.pop("body", {})
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if dialog:
            headers["X-Dialog-Id"] = dialog
        return await self.api.post(CHAT, json=body, headers=headers)

    async def say(self, messages: list[dict[str, Any]], dialog: str = "", **more: Any) -> dict[str, Any]:
        """One chat request that must be answered; returns the answer's message."""
        answer = await self.ask(messages, dialog, **more)
        assert answer.status_code == 200, answer.text
        message = answer.json()["choices"][0]["message"]
        return {name: message[name] for name in ("role", "content", "tool_calls") if message.get(name)}

    async def activate(
        self, *targets: SharedTarget, fallback: Target | None = None, version: int | None = None
    ) -> str:
        """Publish an activation, by default for the version that is there; returns its id."""
        if version is None:
            version = (await self.route())["route_version"]
        self.activations += 1
        event = ModelActivated(
            activation_id=str(uuid7()),
            agent_id="shop",
            expected_route_version=version,
            targets=targets,
            fallback=fallback,
            by="olga",
            reason="better",
        )
        async with publisher(self.surroundings) as producer:
            await publish(producer, self.surroundings, [event], sequences=[self.activations])
        return event.activation_id

    async def route(self) -> dict[str, Any]:
        """What serves the agent now."""
        found: dict[str, Any] = (await self.api.get("/v1/agents/shop/route")).json()
        return found

    async def route_becomes(self, reason: str, within: float = 30.0) -> dict[str, Any]:
        """The route, once its last change has this reason."""

        async def changed() -> Any:
            route = await self.route()
            return route if route["reason"] == reason else None

        found: dict[str, Any] = await until(changed, within, f"route {reason}")
        return found

    def target(self, model: str, share: float = 1.0, provider: str = "openai", key: str = "") -> SharedTarget:
        """A target of a route."""
        return SharedTarget(model=model, provider=provider, key_id=key or self.key_id, share=share)

    def fallback(self, model: str, provider: str = "openai", key: str = "") -> Target:
        """A fallback of a route."""
        return Target(model=model, provider=provider, key_id=key or self.key_id)

    async def recorded(self, count: int) -> list[dict[str, Any]]:
        """The messages on chat.events, once there are so many; no more may come."""

        async def enough() -> Any:
            found = await bodies(self.surroundings, "chat.events")
            return found if len(found) >= count else None

        found: list[dict[str, Any]] = await until(enough, 30, f"{count} messages recorded")
        assert len(found) == count, [body["message"] for body in found]
        return found


@asynccontextmanager
async def gateway(
    surroundings: Surroundings,
    folder: Path,
    *,
    simulator: RunningSimulator | None = None,
    base_models: str = "",
    **settings: str,
) -> AsyncIterator[World]:
    """The gateway, with a second provider `other` at the same simulator; `settings` are agent-svc's."""
    with simulator or RunningSimulator(folder / "simulator") as running:
        catalogue = folder / "catalogue.yaml"
        entries = [
            f"  - {{id: {name}, base_url: '{running.base_url}', allow_private: true}}"
            for name in ("openai", "other")
        ]
        catalogue.write_text("providers:\n" + "\n".join(entries) + "\n" + base_models)
        settings = {"catalogue": str(catalogue), "probe_every": "0.2"} | settings
        async with service(surroundings, "agent-svc", folder, **settings) as agents:
            api = await agents.client()
            assert (await api.put("/v1/agents/shop", json=SHOP)).status_code == 201
            key = await api.put("/v1/agents/shop/keys/openai", json={"key": SECRET})
            assert key.status_code == 200, key.text
            yield World(surroundings, running, agents, api, key.json()["key_id"])


@asynccontextmanager
async def another_gateway(world: World, folder: Path, slot: str) -> AsyncIterator[httpx.AsyncClient]:
    """One more instance of the same gateway: a client of it."""
    settings = {
        name.removeprefix("MORTARBOARD_").lower(): value
        for name, value in world.agents.environment.items()
        if name not in {"MORTARBOARD_HTTP_PORT", "MORTARBOARD_OPS_PORT", "MORTARBOARD_INSTANCE"}
    }
    running = instance(world.surroundings, "agent-svc", folder, slot, **settings)
    running.start()
    try:
        await running.ready()
        yield await running.client()
    finally:
        for client in running.clients.values():
            await client.aclose()
        running.stop()


def branch(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The active branch of a dialog on chat.events: what `replaces` names and what follows it is left out."""
    kept: list[dict[str, Any]] = []
    for body in found:
        if body["replaces"]:
            ids = [one["id"] for one in kept]
            assert body["replaces"] in ids, "a message replaces one that is not there"
            del kept[ids.index(body["replaces"]) :]
        kept.append(body["message"])
    return kept
