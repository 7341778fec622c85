"""dialog-svc on real Kafka and PostgreSQL: intake, branches, completion, selection, order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.chat import ChatMessage, DialogEnded, FunctionCall, MessagePosted, ToolCall
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, publish, publisher, service, until


def posted(dialog: str, number: int, role: str = "user", **more: Any) -> MessagePosted:
    place = {name: more.pop(name, None) for name in ("replaces", "after")}
    message = ChatMessage(id=f"m{number}", role=role, content=f"text {number}", at=now(), **more)
    return MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live", **place)


async def test_an_earlier_branch_is_gone_on_with_also_in_a_later_batch_and_again(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    api = await dialog_svc.client()

    async def newest(*ids: str) -> Any:
        answer = await api.get("/v1/dialogs/d9")
        messages = answer.json()["messages"] if answer.status_code == 200 else ()
        return [one["id"] for one in messages] == list(ids)

    first = [posted("d9", 0), posted("d9", 1, "assistant"), posted("d9", 2, "assistant", replaces="m1")]
    second = [posted("d9", 3, after="m1"), posted("d9", 4, "assistant", after="m3")]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, first)
        await until(lambda: newest("m0", "m2"))
        await publish(producer, surroundings, second)
        await until(lambda: newest("m0", "m1", "m3", "m4"))
        await publish(producer, surroundings, [*second, posted("d9", 5, after="m2")])
        await until(lambda: newest("m0", "m2", "m5"))
    assert (await api.get("/v1/dialogs/d9?branch=m3")).json()["message_count"] == 6
    selected = await api.post("/v1/dialogs/d9/select", json={"branch": "m3"})
    assert selected.status_code == 200, selected.text
    transcript = await until(lambda: bodies(surroundings, "dialog.completed"))
    assert [one["id"] for one in transcript[0]["transcript"]["messages"]] == ["m0", "m1", "m3", "m4"]


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
    repeated = await api.post("/v1/dialogs/d3/select", json={})
    assert first.json() == repeated.json() == {"dialog_id": "d3", "revision": 1}

    async def two() -> Any:
        found = await bodies(surroundings, "dialog.completed")
        return found if len(found) == 2 else None

    full, again = await until(two)
    assert [message["id"] for message in full["transcript"]["messages"]] == ["m0", "m1"]
    assert again["transcript"] == full["transcript"]  # who asks again may have let go of the first
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


async def test_every_branch_can_be_read_and_selected_by_its_name(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    first = [posted("d6", 0), posted("d6", 1, "assistant"), posted("d6", 2), posted("d6", 3, "assistant")]
    second = [posted("d6", 4, replaces="m2"), posted("d6", 5, "assistant")]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [*first, *second])
    api = await dialog_svc.client()

    async def branch(**query: str) -> Any:
        answer = await api.get("/v1/dialogs/d6", params=query)
        return answer.json() if answer.status_code == 200 else {"messages": []}

    async def both() -> bool:
        return len((await branch())["messages"]) == 4 and (await branch())["message_count"] == 6

    await until(both)
    expected: dict[str | None, list[str]] = {
        None: ["m0", "m1", "m4", "m5"],
        "m4": ["m0", "m1", "m4", "m5"],
        "": ["m0", "m1", "m2", "m3"],
    }
    for name, ids in expected.items():
        found = await branch(**({} if name is None else {"branch": name}))
        assert [message["id"] for message in found["messages"]] == ids
        assert found["branch"] == ("m4" if name is None else name or None)
    assert (await api.get("/v1/dialogs/d6", params={"branch": "m5"})).status_code == 404
    selected = [
        await api.post("/v1/dialogs/d6/select", json=body) for body in ({"branch": ""}, {}, {"branch": ""})
    ]
    assert [answer.json()["revision"] for answer in selected] == [1, 2, 1]


async def test_a_revision_rises_only_when_messages_were_added(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    api = await dialog_svc.client()

    async def select_with(count: int) -> int:
        async def arrived() -> bool:
            answer = await api.get("/v1/dialogs/d7")
            return bool(answer.status_code == 200 and answer.json()["message_count"] == count)

        await until(arrived)
        return int((await api.post("/v1/dialogs/d7/select", json={})).json()["revision"])

    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted("d7", 0), posted("d7", 1, "assistant")])
        assert await select_with(2) == 1
        await api.put("/v1/dialogs/d7/rating", json={"rating": "good"})
        assert await select_with(2) == 1
        # a question without an answer adds nothing to learn from
        await publish(producer, surroundings, [posted("d7", 2)])
        assert await select_with(3) == 1
        call = ToolCall(id="c1", function=FunctionCall(name="find", arguments="{}"))
        await publish(producer, surroundings, [posted("d7", 3, "assistant", tool_calls=(call,))])
        assert await select_with(4) == 1
        tool = posted("d7", 4, "tool", tool_call_id="c1")
        await publish(producer, surroundings, [tool, posted("d7", 5, "assistant")])
        assert await select_with(6) == 2


async def test_an_id_that_others_mint_may_hold_slashes(surroundings: Surroundings, dialog_svc: Any) -> None:
    dialog, path = "tg/12/дом", "/v1/dialogs/tg%2F12%2F%D0%B4%D0%BE%D0%BC"
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(dialog, 0), posted(dialog, 1, "assistant")])
    api = await dialog_svc.client()

    async def known() -> Any:
        return (await api.get(path)).status_code == 200

    await until(known)
    assert (await api.put(f"{path}/rating", json={"rating": "good"})).json()["dialog_id"] == dialog
    assert (await api.post(f"{path}/select", json={})).json() == {"dialog_id": dialog, "revision": 1}
    assert (await api.delete(f"{path}?reason=asked")).status_code == 202
    assert (await api.get("/v1/dialogs/tg/12/x")).json()["code"] == "no_such_path"
