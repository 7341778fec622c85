"""dialog-svc on real Kafka and PostgreSQL: intake, branches, completion, selection, order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, publish, publisher, service, until


def posted(dialog: str, number: int, role: str = "user", **more: Any) -> MessagePosted:
    replaces = more.pop("replaces", None)
    message = ChatMessage(id=f"m{number}", role=role, content=f"text {number}", at=now(), **more)
    return MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live", replaces=replaces)


@pytest.fixture
async def dialog_svc(surroundings: Surroundings, tmp_path: Path) -> Any:
    async with service(surroundings, "dialog-svc", tmp_path) as running:
        yield running


async def test_an_ended_dialog_is_completed_once_with_its_transcript(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    events = [posted("d1", 0), posted("d1", 1, "assistant"), posted("d1", 0)]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events)
        await publish(producer, surroundings, [DialogEnded(dialog_id="d1", agent_id="shop", at=now())])
        found = await until(lambda: bodies(surroundings, "dialog.completed"))
    (completed,) = found
    assert [message["id"] for message in completed["transcript"]["messages"]] == ["m0", "m1"]
    assert (completed["revision"], completed["reason"], completed["open"]) == (1, "ended", False)


async def test_a_replacement_starts_a_branch_and_the_old_one_stays_readable(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    old = [posted("d2", 0), posted("d2", 1, "assistant"), posted("d2", 2), posted("d2", 3, "assistant")]
    async with publisher(surroundings) as producer:
        await publish(
            producer, surroundings, [*old, posted("d2", 4, replaces="m2"), posted("d2", 5, "assistant")]
        )
    api = await dialog_svc.client()

    async def both_branches() -> Any:
        answer = await api.get("/v1/dialogs/d2")
        return answer.json() if answer.status_code == 200 and len(answer.json()["messages"]) == 4 else None

    dialog = await until(both_branches)
    assert [message["id"] for message in dialog["messages"]] == ["m0", "m1", "m4", "m5"]
    assert dialog["branches"] == ["m4"]
    assert dialog["message_count"] == 6


async def test_selecting_publishes_without_ending_and_repeats_its_revision(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    async with publisher(surroundings) as producer:
        await publish(
            producer, surroundings, [posted("d3", 0), posted("d3", 1, "assistant"), posted("d3", 2)]
        )
    api = await dialog_svc.client()

    async def arrived() -> bool:
        answer = await api.get("/v1/dialogs/d3")
        return bool(answer.status_code == 200 and answer.json()["message_count"] == 3)

    await until(arrived)
    first = await api.post("/v1/dialogs/d3/select", json={})
    again = await api.post("/v1/dialogs/d3/select", json={})
    assert first.json() == again.json() == {"dialog_id": "d3", "revision": 1}

    async def two() -> Any:
        found = await bodies(surroundings, "dialog.completed")
        return found if len(found) == 2 else None

    full, same = await until(two)
    assert [message["id"] for message in full["transcript"]["messages"]] == ["m0", "m1"]
    assert same["transcript"] == {"same_as": 1}
    assert full["open"] is True


async def test_another_tenants_dialog_is_not_there(surroundings: Surroundings, dialog_svc: Any) -> None:
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted("d4", 0)], tenant="acme")
        await publish(producer, surroundings, [posted("d5", 0)], tenant="globex")
    own, other = await dialog_svc.client("acme"), await dialog_svc.client("globex")

    async def arrived() -> bool:
        return await _ok(other, "/v1/dialogs/d5")

    await until(arrived)
    await until(lambda: _ok(own, "/v1/dialogs/d4"))
    assert (await other.get("/v1/dialogs/d4")).status_code == 404

    async def listed() -> list[str]:
        return [item["dialog_id"] for item in (await other.get("/v1/dialogs")).json()["items"]]

    await until(listed)
    assert await listed() == ["d5"]


async def _ok(client: Any, path: str) -> bool:
    return bool((await client.get(path)).status_code == 200)
