"""Dialogs of an agent with a dataset of its own: worth a look, or taken as examples."""

from __future__ import annotations

from functools import partial

from contracts.chat import DialogRatedInChat
from contracts.event import Event
from tests.browser.tuning_world import Garden
from tests.browser.world import MODEL, said
from tests.harness import publish, publisher, until

HOSTILE = "<b onmouseover=alert(1)>Розы</b> \u202egnp.exe"
SOON = "They come at noon."


async def suggest(garden: Garden, count: int) -> None:
    """Dialogs that were rated bad, so that they are worth a look."""
    events: list[Event] = []
    for number in range(count):
        dialog = f"{garden.name}-bad-{number}"
        words = {
            0: f"Where is order number {number}, {HOSTILE}?",
            1: "Please let me talk to a human operator about my order.",
        }.get(number, f"Where is order {number}?")
        events += [
            said(dialog, 0, "user", words).model_copy(update={"agent_id": garden.name}),
            said(dialog, 1, "assistant", SOON, model=MODEL).model_copy(update={"agent_id": garden.name}),
            DialogRatedInChat(dialog_id=dialog, agent_id=garden.name, rating="bad", by="client"),
        ]
    async with publisher(garden.console.loop.surroundings) as producer:
        await publish(producer, garden.console.loop.surroundings, events, tenant=garden.name)
    for number in range(count):
        await until(partial(_selected, garden, f"{garden.name}-bad-{number}"))

    async def all_there() -> bool:
        return bool((await garden.data("GET", "/suggestions"))["total"] == count)

    await until(all_there)


async def take_dialog(garden: Garden, dialog: str, words: str) -> None:
    """A dialog that becomes a saved example."""
    turns = (("user", words), ("assistant", "I will, and here is what happens then."))
    events: list[Event] = [
        said(dialog, place, role, text).model_copy(update={"agent_id": garden.name})
        for place, (role, text) in enumerate(turns)
    ]
    surroundings = garden.console.loop.surroundings
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events, tenant=garden.name)
    await until(lambda: _selected(garden, dialog))
    body = {"dialog_id": dialog, "revision": 1}
    example = (await garden.data("POST", "/examples", json=body))["id"]

    async def arrived() -> bool:
        found = await garden.ok("dataset-svc", "GET", f"/v1/examples/{example}")
        return bool(found["state"] == "draft")

    await until(arrived)
    await garden.ok("dataset-svc", "POST", f"/v1/examples/{example}/save")


async def _selected(garden: Garden, dialog: str) -> bool:
    """Let a dialog be told to the dataset, once it is known."""
    loop = garden.console.loop
    path = f"/v1/dialogs/{dialog}/select"
    return (await loop.call("dialog-svc", "POST", path, tenant=garden.name, json={})).is_success
