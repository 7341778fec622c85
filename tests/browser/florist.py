"""An agent of the other tenant, for tests of the test chat and of models: acme's lists stay as they are."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from contracts.event import Event
from tests.browser.world import FUNCTION, MODEL, Console
from tests.harness import now, publish, publisher, until

TENANT = "globex"
PROMPT = "You answer for a florist. Say what you know and no more."


async def ok(console: Console, service: str, method: str, path: str, **more: Any) -> Any:
    """One call as an owner of the tenant, that must succeed."""
    return await console.loop.ok(service, method, path, tenant=TENANT, **more)


async def make_agent(console: Console, agent_id: str, secret: str) -> None:
    """An agent with a function and a key, known to all services."""
    definition = {
        "name": f"Florist {agent_id}", "prompt": PROMPT, "tools": [FUNCTION], "base_model": MODEL,
        "provider": "openai",
    }  # fmt: skip
    await ok(console, "agent-svc", "PUT", f"/v1/agents/{agent_id}", json=definition)
    await ok(console, "agent-svc", "PUT", f"/v1/agents/{agent_id}/keys/openai", json={"key": secret})

    async def known() -> bool:
        found = await ok(console, "dataset-svc", "GET", f"/v1/datasets?agent_id={agent_id}")
        return bool(found["items"] and found["items"][0]["agent_version"])

    await until(known)


async def publish_live(
    console: Console, dialog_id: str, agent_id: str, messages: list[dict[str, Any]]
) -> None:
    """A dialog that took place."""
    events: list[Event] = [
        MessagePosted(
            dialog_id=dialog_id,
            agent_id=agent_id,
            message=ChatMessage.model_validate(
                {"id": f"m{place}", "at": now() - timedelta(minutes=9 - place), **one}
            ),
            source="live",
        )
        for place, one in enumerate(messages)
    ]
    events.append(DialogEnded(dialog_id=dialog_id, agent_id=agent_id, at=now()))
    async with publisher(console.loop.surroundings) as producer:
        await publish(producer, console.loop.surroundings, events, tenant=TENANT)


def called(name: str, arguments: dict[str, Any], answer: Any) -> list[dict[str, Any]]:
    """A call of a function and its answer, as messages."""
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": json.dumps(answer)},
    ]


async def teach(console: Console, agent_id: str, count: int = 11) -> str:
    """Examples written by hand, saved; returns the dataset."""
    found = await ok(console, "dataset-svc", "GET", f"/v1/datasets?agent_id={agent_id}")
    dataset = str(found["items"][0]["id"])
    for number in range(count):
        messages = [
            {"role": "user", "content": f"What does bunch number {number} of {agent_id} cost?"},
            {"role": "assistant", "content": f"Bunch {number} costs {number} euros."},
        ]
        path = f"/v1/datasets/{dataset}/examples"
        made = await ok(console, "dataset-svc", "POST", path, json={"messages": messages})
        await ok(console, "dataset-svc", "POST", f"/v1/examples/{made['id']}/save")
    return dataset


async def train(console: Console, dataset: str, **settings: Any) -> str:
    """Freeze a version and ask for a training; returns the run."""
    path = f"/v1/datasets/{dataset}/versions"
    version = (await ok(console, "dataset-svc", "POST", path, json={}))["version"]
    wanted = {"confirm_warnings": True, **settings}
    asked = await ok(console, "dataset-svc", "POST", f"{path}/{version}/train", json=wanted)
    return str(asked["run_id"])


async def ended(console: Console, run_id: str) -> str:
    """How a run ended."""

    async def status() -> Any:
        answer = await console.loop.call("training-svc", "GET", f"/v1/runs/{run_id}", TENANT)
        found = answer.json() if answer.is_success else {}
        return found.get("status") if found.get("status") in {"ready", "failed", "cancelled"} else None

    return str(await until(status))
