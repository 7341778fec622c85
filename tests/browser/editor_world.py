"""A bakery, a tenant of its own, whose dialogs and examples the editor's tests work on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import BrowserContext, Page

from contracts.chat import ChatMessage, DialogEnded, DialogRatedInChat, MessagePosted
from contracts.event import Event
from tests.browser.world import MODEL, Console
from tests.harness import now, publish, publisher, until

TENANT, AGENT = "bakers", "bakery"
FUNCTION = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {
            "type": "object", "properties": {"order": {"type": "integer"}, "city": {"type": "string"}},
            "required": ["order"], "additionalProperties": False,
        },
    },
}  # fmt: skip
CALL = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"order":17}'}}


async def ok(console: Console, method: str, path: str, **more: Any) -> Any:
    """One call to dataset-svc as the bakery's owner."""
    return await console.loop.ok("dataset-svc", method, path, tenant=TENANT, **more)


async def bakery(console: Console) -> str:
    """Make the bakery, once; returns its dataset."""
    found = await ok(console, "GET", f"/v1/datasets?agent_id={AGENT}")
    if not found["items"]:
        definition = {
            "name": "Bakery", "prompt": "You answer for a bakery.", "tools": [FUNCTION], "base_model": MODEL,
            "provider": "openai",
        }  # fmt: skip
        await console.loop.ok("agent-svc", "PUT", f"/v1/agents/{AGENT}", tenant=TENANT, json=definition)

    async def known() -> Any:
        found = await ok(console, "GET", f"/v1/datasets?agent_id={AGENT}")
        return [one for one in found["items"] if one["agent_version"]]

    return str((await until(known))[0]["id"])


async def example(console: Console, *messages: dict[str, Any]) -> str:
    """Put an example of these messages into the bakery's dataset; returns its id."""
    dataset = await bakery(console)
    numbered = [{"id": f"m{place}", **one} for place, one in enumerate(messages)]
    made = await ok(console, "POST", f"/v1/datasets/{dataset}/examples", json={"messages": numbered})
    return str(made["id"])


async def texts(console: Console, example_id: str) -> list[Any]:
    """What the working copy says by now."""
    found = await ok(console, "GET", f"/v1/examples/{example_id}")
    return [one.get("content") for one in found["messages"]]


async def bad_dialog(console: Console, dialog_id: str) -> None:
    """A dialog in which a function is called and the answer is wrong, marked as bad by its client."""
    await bakery(console)
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "Где мой заказ 17?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "model": MODEL},
        {"role": "tool", "content": json.dumps({"state": "baking", "ready_in": 2}), "tool_call_id": "c1"},
        {"role": "assistant", "content": "Ваш заказ потерян.", "model": MODEL},
        {"role": "user", "content": "Как потерян?"},
        {"role": "assistant", "content": "Такое бывает.", "model": MODEL},
    ]
    events: list[Event] = [
        MessagePosted(
            dialog_id=dialog_id, agent_id=AGENT, source="live",
            message=ChatMessage.model_validate({"id": f"m{place}", "at": now(), **one}),
        )
        for place, one in enumerate(said)
    ]  # fmt: skip
    events += [
        DialogEnded(dialog_id=dialog_id, agent_id=AGENT, at=now()),
        DialogRatedInChat(dialog_id=dialog_id, agent_id=AGENT, rating="bad", by="client"),
    ]
    async with publisher(console.loop.surroundings) as producer:
        await publish(producer, console.loop.surroundings, events, tenant=TENANT)

    async def rated() -> bool:
        answer = await console.loop.call("dialog-svc", "GET", f"/v1/dialogs/{dialog_id}", TENANT)
        return answer.is_success and answer.json()["rating"] == "bad"

    await until(rated)


async def goes_on(console: Console, dialog_id: str, *said: str) -> None:
    """Client and model say more; waits until the dataset knows."""
    events: list[Event] = [
        MessagePosted(
            dialog_id=dialog_id, agent_id=AGENT, source="live",
            message=ChatMessage.model_validate(
                {"id": f"m{place}", "role": ("user", "assistant")[place % 2], "content": text, "at": now()}
            ),
        )
        for place, text in enumerate(said, 6)
    ]  # fmt: skip
    events.append(DialogEnded(dialog_id=dialog_id, agent_id=AGENT, at=now()))
    async with publisher(console.loop.surroundings) as producer:
        await publish(producer, console.loop.surroundings, events, tenant=TENANT)
    dataset = await bakery(console)
    listed = await ok(console, "GET", f"/v1/datasets/{dataset}/examples?dialog_id={dialog_id}")

    async def known() -> bool:
        found = await ok(console, "GET", f"/v1/examples/{listed['items'][0]['id']}")
        return bool(found["new_messages"] == len(said))

    await until(known)


@asynccontextmanager
async def editing(
    console: Console, example_id: str, role: str = "owner", language: str = "en", **more: Any
) -> AsyncIterator[tuple[Page, BrowserContext]]:
    """Somebody with an example open in the editor."""
    async with console.person(role, language, TENANT, **more) as (page, context):
        await page.goto(f"{console.url}/examples/{example_id}")
        await page.locator("#editor[data-htmx-powered]").wait_for()
        yield page, context
