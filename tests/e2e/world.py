"""All four services and the simulator, and the owner's way walked once for a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from contracts.event import Event
from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import SERVICES, Surroundings, simulated_catalogue
from tests.harness import Running, now, publish, publisher, service, until

DIALOGS = 11
PROMPT = "You answer for a flower shop."


@dataclass
class Loop:
    """What exists after the owner's way was walked."""

    surroundings: Surroundings
    simulator: RunningSimulator
    services: dict[str, Running]
    logs: Path
    ids: dict[str, str] = field(default_factory=dict)

    async def call(
        self, name: str, method: str, path: str, tenant: str = "acme", role: str = "owner", **more: Any
    ) -> httpx.Response:
        """One HTTP call as somebody of a tenant."""
        client = await self.services[name].client(tenant, role)
        return await client.request(method, path, **more)

    async def ok(self, name: str, method: str, path: str, **more: Any) -> Any:
        """One call that must succeed; returns its JSON."""
        answer = await self.call(name, method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()


@asynccontextmanager
async def loop_world(surroundings: Surroundings, folder: Path, **settings: str) -> AsyncIterator[Loop]:
    """The services, running, with nothing in them yet; `settings` are further MORTARBOARD_ variables."""
    logs = folder / "logs"
    logs.mkdir()
    with RunningSimulator(folder / "simulator") as simulator:
        catalogue = folder / "catalogue.yaml"
        catalogue.write_text(simulated_catalogue(simulator.address))
        here = replace(surroundings, catalogue=catalogue)
        async with AsyncExitStack() as stack:
            running = await asyncio.gather(
                *(stack.enter_async_context(service(here, one.name, logs, **settings)) for one in SERVICES)
            )
            yield Loop(here, simulator, {one.name: one for one in running}, logs)


SECRET = "sk-owner-0000000000000001"


async def walk(loop: Loop, secret: str = SECRET, extra: Sequence[Event] = ()) -> None:
    """Agent and key, dialogs after `extra`, examples, a version, a run, a model in service."""
    definition = {
        "name": "Shop", "prompt": PROMPT, "tools": [],
        "base_model": "gpt-4o-mini-2024-07-18", "provider": "openai",
    }  # fmt: skip
    await loop.ok("agent-svc", "PUT", "/v1/agents/shop", json=definition)
    await loop.ok("agent-svc", "PUT", "/v1/agents/shop/keys/openai", json={"key": secret})
    await _test_chat(loop)
    async with publisher(loop.surroundings) as producer:
        await publish(producer, loop.surroundings, extra)
        for number in range(DIALOGS):
            await publish(producer, loop.surroundings, _dialog(number))

    async def dataset_known() -> Any:
        found = await loop.ok("dataset-svc", "GET", "/v1/datasets?agent_id=shop")
        return [one for one in found["items"] if one["agent_version"]]

    loop.ids["dataset"] = (await until(dataset_known))[0]["id"]
    for number in range(DIALOGS):
        await _add_example(loop, f"d{number}")
    loop.ids |= {"agent": "shop", "dialog": "d0"}
    allowed = {"text": "shop@example.com", "why": "our own"}
    path = f"/v1/datasets/{loop.ids['dataset']}/allowed-values"
    loop.ids["value"] = (await loop.ok("dataset-svc", "POST", path, json=allowed))["id"]
    await _train(loop)
    await _erase(loop)


async def _test_chat(loop: Loop) -> None:
    chat = await loop.ok("agent-svc", "POST", "/v1/agents/shop/test-dialogs", json={})
    path = f"/v1/test-dialogs/{chat['dialog_id']}/messages"
    said = await loop.ok("agent-svc", "POST", path, json={"role": "user", "content": "Hello?"})
    question = said["messages"][0]["message_id"]
    loop.ids |= {"test_dialog": chat["dialog_id"], "test_message": question}


def _dialog(number: int) -> list[Event]:
    dialog = f"d{number}"
    said = [("user", f"What does bouquet number {number} cost?"), ("assistant", f"It costs {number} euros.")]
    posted: list[Event] = [
        MessagePosted(
            dialog_id=dialog,
            agent_id="shop",
            message=ChatMessage.model_validate(
                {"id": f"m{place}", "role": role, "content": text, "at": now()}
            ),
            source="live",
        )
        for place, (role, text) in enumerate(said)
    ]
    return [*posted, DialogEnded(dialog_id=dialog, agent_id="shop", at=now())]


async def _add_example(loop: Loop, dialog: str) -> None:
    path = f"/v1/datasets/{loop.ids['dataset']}/examples"

    async def opened() -> Any:
        answer = await loop.call("dataset-svc", "POST", path, json={"dialog_id": dialog, "revision": 1})
        return answer.json()["id"] if answer.status_code in (200, 201) else None

    loop.ids["example"] = await until(opened)
    saved = await loop.ok("dataset-svc", "POST", f"/v1/examples/{loop.ids['example']}/save")
    loop.ids["operation"] = saved["undo"]["operation_id"]


async def _train(loop: Loop) -> None:
    path = f"/v1/datasets/{loop.ids['dataset']}/versions"
    version = (await loop.ok("dataset-svc", "POST", path, json={}))["version"]
    run = (await loop.ok("dataset-svc", "POST", f"{path}/{version}/train", json={"confirm_warnings": True}))[
        "run_id"
    ]

    async def ready() -> Any:
        answer = await loop.call("training-svc", "GET", f"/v1/runs/{run}")
        return answer.json() if answer.is_success and answer.json()["status"] == "ready" else None

    await until(ready)
    models = await loop.ok("training-svc", "GET", "/v1/models?agent_id=shop")
    loop.ids |= {"version": str(version), "run": run, "model": models["items"][0]["model_id"]}
    hook = await loop.ok("training-svc", "POST", "/v1/hooks", json={"provider": "openai"})
    loop.ids["hook"] = hook["hook_id"]
    body = {"expected_route_version": 0}
    await loop.ok("training-svc", "POST", f"/v1/models/{loop.ids['model']}/activate", json=body)

    async def routed() -> bool:
        route = await loop.ok("agent-svc", "GET", "/v1/agents/shop/route")
        return bool(route["route_version"] == 1)

    await until(routed)


async def _erase(loop: Loop) -> None:
    """A dialog that nobody knows: what exists stays as it is."""
    asked = await loop.ok("dialog-svc", "POST", "/v1/erasures", json={"dialog_id": "never-held"})
    loop.ids["erasure"] = asked["id"]

    async def done() -> bool:
        record = await loop.ok("dialog-svc", "GET", f"/v1/erasures/{asked['id']}")
        return bool(record["state"] == "done")

    await until(done)
