"""Test chats over HTTP: edits with hints, functions answered by hand, two models, streams, failures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contracts.chat import FunctionCall, ToolCall
from contracts.dialogs import DialogCompleted, DialogErased, InlineTranscript, TranscriptMessage
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, until
from tests.integration.agent_world import AgentWorld, agent_world

SCHEMA = {"type": "object", "properties": {"sort": {"type": "string"}}, "required": ["sort"]}
TOOLS = [
    {"type": "function", "function": {"name": "price", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "stock", "parameters": {"type": "object"}}},
]
SMART = "gpt-4o-2024-08-06"


@pytest.fixture
async def world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(surroundings, tmp_path) as made:
        await made.agent(tools=TOOLS)
        await made.key()
        yield made


class Talk:
    """A test chat as its page sees it."""

    def __init__(self, world: AgentWorld, dialog: dict[str, Any]) -> None:
        self.world = world
        self.dialog = dialog
        self.path = f"/v1/test-dialogs/{dialog['dialog_id']}"

    async def do(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        self.dialog = await self.world.ok(method, f"{self.path}{path}", **more)
        return self.dialog

    async def say(self, content: str, **more: Any) -> dict[str, Any]:
        return await self.do("POST", "/messages", json={"role": "user", "content": content, **more})

    async def answer(self, content: str, **more: Any) -> dict[str, Any]:
        return await self.do("POST", "/messages", json={"role": "tool", "content": content, **more})

    async def refused(self, **body: Any) -> str:
        answer = await self.world.call("POST", f"{self.path}/messages", json=body)
        assert answer.status_code >= 400, answer.text
        return str(answer.json()["code"])

    def branch(self) -> list[dict[str, Any]]:
        return [one for one in self.dialog["messages"] if one["active"]]


async def begin(world: AgentWorld, **more: Any) -> Talk:
    return Talk(world, await world.ok("POST", "/v1/agents/shop/test-dialogs", json=more))


async def posted(world: AgentWorld, count: int) -> list[Any]:
    """chat.events, once so many messages are there."""

    async def so_many() -> Any:
        found = await bodies(world.surroundings, "chat.events")
        return found if len(found) >= count else None

    found: list[Any] = await until(so_many)
    assert len(found) == count
    return found


async def test_an_edit_carries_a_hint_begins_a_branch_and_is_published(world: AgentWorld) -> None:
    talk = await begin(world, title="apples")
    await talk.say("Any apples?")
    question, answer = talk.branch()
    assert (question["role"], answer["role"], answer["status"]) == ("user", "assistant", "answered")
    assert "Any apples?" in answer["content"]
    await talk.do(
        "PUT", f"/messages/{question['message_id']}", json={"content": "Any apples? Say yes, red ones."}
    )
    edited, again = talk.branch()
    assert edited["hint"] == [{"start": 12, "end": 30}]
    assert (edited["replaces"], edited["first_content"]) == (question["message_id"], "Any apples?")
    assert "red ones" in again["content"]
    narrowed = {"content": "Any apples? Say yes, red ones.", "hint": [{"start": 12, "end": 19}]}
    await talk.do("PUT", f"/messages/{edited['message_id']}", json=narrowed)
    assert talk.branch()[0]["hint"] == narrowed["hint"]
    events = await posted(world, 6)
    assert [one["source"] for one in events] == ["test"] * 6
    assert [one["message"]["role"] for one in events] == ["user", "assistant"] * 3
    assert events[2]["replaces"] == question["message_id"]
    assert events[2]["message"]["hint"] == [{"start": 12, "end": 30}]
    assert (events[1]["message"]["author"], events[1]["agent_version"]) == ("model", 1)


async def test_an_earlier_branch_is_remembered_and_gone_on_with(world: AgentWorld) -> None:
    talk = await begin(world)
    await talk.say("first")
    question, answer = talk.branch()
    await talk.do("PUT", f"/messages/{question['message_id']}", json={"content": "second"})
    await talk.do("PUT", "/active", json={"message_id": answer["message_id"]})
    assert talk.branch()[0]["content"] == "first"
    kept = await world.ok("GET", talk.path)
    assert kept["columns"] == talk.dialog["columns"]
    await talk.say("more")
    assert [one["content"] for one in talk.branch()][::2] == ["first", "more"]
    events = await posted(world, 6)
    assert events[4]["after"] == answer["message_id"]
    assert talk.dialog["columns"][0]["branch"] == events[4]["message"]["id"]


async def test_functions_are_answered_by_hand_and_prefilled_with_what_they_really_said(
    world: AgentWorld,
) -> None:
    talk = await begin(world)
    await talk.say("What is the price?")
    assert talk.dialog["open_calls"][0]["prefill"] is None
    first = real("d1", "5 euros", {"sort": "sort"})
    other = real("d2", "6 euros", {"sort": "red"})
    await world.publish(first, other)

    async def prefilled() -> Any:
        (call,) = (await world.ok("GET", talk.path))["open_calls"]
        return call["prefill"] and call

    call = await until(prefilled)
    assert (call["name"], json.loads(call["arguments"])) == ("price", {"sort": "sort"})
    assert (call["prefill"]["content"], call["prefill"]["same_arguments"]) == ("5 euros", True)
    erasure = str(uuid4())
    await world.publish(
        DialogErased(dialog_id="d1", agent_id="shop", requested_at=now(), reason="asked", erasure_id=erasure)
    )

    async def last_one() -> Any:
        (call,) = (await world.ok("GET", talk.path))["open_calls"]
        return call["prefill"]["content"] == "6 euros" and call

    assert (await until(last_one))["prefill"]["same_arguments"] is False
    await world.publish(first)  # a replay

    async def reported() -> Any:
        words = await bodies(world.surroundings, "dialog.forgotten")
        return words if len(words) == 2 else None

    done, heard = await until(reported)
    assert (done["erasure_id"], done["removed"]["function_answers"]) == (erasure, 1)
    assert heard["heard_at"] is not None
    assert (await last_one())["prefill"]["same_arguments"] is False
    assert await talk.refused(role="user", content="well?") == "calls_unanswered"
    await talk.answer("5 euros")
    assert [one["role"] for one in talk.branch()] == ["user", "assistant", "tool", "assistant"]
    assert "5 euros" in talk.branch()[-1]["content"]
    assert talk.dialog["open_calls"] == []


def real(dialog: str, content: str, arguments: dict[str, Any]) -> DialogCompleted:
    """A live dialog in which the function `price` answered."""
    called = ToolCall(id="c1", function=FunctionCall(name="price", arguments=json.dumps(arguments)))
    messages = (
        TranscriptMessage(id="m0", role="user", content="?", at=now()),
        TranscriptMessage(id="m1", role="assistant", tool_calls=(called,), at=now()),
        TranscriptMessage(id="m2", role="tool", tool_call_id="c1", content=content, at=now()),
    )
    return DialogCompleted(
        dialog_id=dialog, agent_id="shop", revision=1, reason="ended", open=False, source="live",
        started_at=now(), ended_at=now(), message_count=3, transcript=InlineTranscript(messages=messages),
    )  # fmt: skip


async def test_parallel_calls_all_need_an_answer(world: AgentWorld) -> None:
    talk = await begin(world)
    await talk.say("price and stock?")
    price, stock = talk.dialog["open_calls"]
    assert await talk.refused(role="tool", content="5") == "call_not_named"
    await talk.answer("7 left", tool_call_id=stock["tool_call_id"])
    assert [one["tool_call_id"] for one in talk.dialog["open_calls"]] == [price["tool_call_id"]]
    await talk.answer("5 euros")
    assert [one["role"] for one in talk.branch()] == ["user", "assistant", "tool", "tool", "assistant"]
    roles = [one["message"]["role"] for one in await posted(world, 5)]
    assert roles == ["user", "assistant", "tool", "tool", "assistant"]


async def test_two_models_answer_side_by_side_each_on_its_branch(world: AgentWorld) -> None:
    columns = [{"use": "base"}, {"use": "model", "model": SMART}]
    talk = await begin(world, columns=columns)
    await talk.say("hello")
    question, left, right = talk.dialog["messages"]
    assert left["parent_id"] == right["parent_id"] == question["message_id"]
    assert {left["model"], right["model"]} == {"gpt-4o-mini-2024-07-18", SMART}
    await talk.say("and?")
    await talk.say("only you", column=1)
    mine = [one for one in talk.dialog["messages"] if one["column"] == 1 and one["active"]]
    assert [one["content"] for one in mine if one["role"] == "user"] == ["and?", "only you"]
    events = await posted(world, 9)
    assert len({one["message"]["id"] for one in events}) == 9


@pytest.mark.parametrize("columns", [[], [{}, {}, {}], [{"use": "model"}], [{"use": "base", "model": "x"}]])
async def test_columns_must_make_sense(world: AgentWorld, columns: Any) -> None:
    answer = await world.call("POST", "/v1/agents/shop/test-dialogs", json={"columns": columns})
    assert answer.status_code == 422
    unknown = {"columns": [{"use": "model", "model": "nobody-knows"}]}
    answer = await world.call("POST", "/v1/agents/shop/test-dialogs", json=unknown)
    assert answer.json()["code"] == "model_unknown"


async def test_an_answer_comes_as_a_stream_of_events(world: AgentWorld) -> None:
    talk = await begin(world)
    client = await world.running.client()
    body = {"role": "user", "content": "Tell me of apples."}
    events: list[tuple[str, Any]] = []
    async with client.stream(
        "POST", f"{talk.path}/messages", json=body, headers={"Accept": "text/event-stream"}
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    names = [name for name, _ in events]
    assert (names[0], names[-1], set(names[1:-1])) == ("dialog", "dialog", {"delta"})
    assert events[0][1]["messages"][-1]["status"] == "asking"
    answer = events[-1][1]["messages"][-1]
    said = "".join(data["content"] for name, data in events if name == "delta")
    assert (said, answer["status"]) == (answer["content"], "answered")
    assert {data["message_id"] for name, data in events if name == "delta"} == {answer["message_id"]}


async def test_who_hangs_up_loses_no_answer(world: AgentWorld) -> None:
    talk = await begin(world)
    client = await world.running.client()
    world.simulator.add_fault("hang", seconds=0.5, match={"path": "/v1/chat/completions"}, when="before")
    body = {"role": "user", "content": "Tell me of apples."}
    async with client.stream(
        "POST", f"{talk.path}/messages", json=body, headers={"Accept": "text/event-stream"}
    ) as stream:
        await anext(stream.aiter_lines())

    async def answered() -> Any:
        found = await world.ok("GET", talk.path)
        return found["messages"][-1]["status"] == "answered"

    await until(answered)
    await posted(world, 2)


async def test_a_failure_stands_in_the_tree_and_can_be_asked_again(world: AgentWorld) -> None:
    talk = await begin(world)
    world.simulator.add_fault("model_not_ready", match={"path": "/v1/chat/completions"})
    await talk.say("hello")
    question, failed = talk.branch()
    assert (failed["status"], failed["error"]["code"]) == ("failed", "model_not_available")
    assert failed["error"]["action"]
    assert question["content"] == "hello"
    await talk.do("POST", f"/messages/{failed['message_id']}/ask")
    assert talk.branch()[-1]["status"] == "answered"
    assert talk.branch()[-1]["message_id"] == failed["message_id"]
    await posted(world, 2)
    await talk.do("POST", f"/messages/{failed['message_id']}/ask")
    assert len(talk.dialog["messages"]) == 3
    assert (await posted(world, 3))[2]["after"] == question["message_id"]


async def test_a_refused_key_is_noted_wherever_it_is_met(world: AgentWorld) -> None:
    talk = await begin(world)
    world.simulator.add_fault("unauthorized", match={"path": "/v1/chat/completions"})
    await talk.say("hello")
    assert talk.branch()[-1]["error"]["code"] == "provider_key_refused"
    (key,) = (await world.ok("GET", "/v1/agents/shop"))["keys"]
    assert (key["infer"], key["because"]) == ("no", "key_refused")


async def test_the_gateway_notes_a_refused_key_too(world: AgentWorld) -> None:
    world.simulator.add_fault("unauthorized", match={"path": "/v1/chat/completions"})
    body = {"model": "agent:shop", "messages": [{"role": "user", "content": "hi"}]}
    assert (await world.call("POST", "/v1/chat/completions", json=body)).status_code == 502

    async def noted() -> bool:
        (key,) = (await world.ok("GET", "/v1/agents/shop"))["keys"]
        return bool(key["because"] == "key_refused")

    await until(noted)


async def test_the_gateway_asks_by_the_key_that_took_the_place_of_the_routes(world: AgentWorld) -> None:
    (key,) = (await world.ok("GET", "/v1/agents/shop"))["keys"]
    await world.activate(SMART, key["key_id"])
    await world.key("sk-another-organisation-42", accept_loss=[])
    world.simulator.add_fault("unauthorized", match={"key": "sk-canary-0123456789abcdef"}, times=None)
    body = {"model": "agent:shop", "messages": [{"role": "user", "content": "hi"}]}
    answer = await world.call("POST", "/v1/chat/completions", json=body)
    assert (answer.status_code, answer.headers["x-model"]) == (200, SMART)


async def test_the_same_request_again_asks_no_second_time(world: AgentWorld) -> None:
    talk = await begin(world)
    body = {"role": "user", "content": "hello"}
    for _ in range(2):
        await talk.do("POST", "/messages", json=body, headers={"Idempotency-Key": "one"})
    assert len(talk.dialog["messages"]) == 2
    assert world.simulator.admin("GET", "requests")["requests"]["POST /v1/chat/completions"] == 1
    stale = await world.call("POST", f"{talk.path}/messages", json=body, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "test_dialog_changed")


async def test_chats_are_listed_deleted_and_strangers_see_none(world: AgentWorld) -> None:
    first, second = await begin(world, title="a"), await begin(world, title="b")
    listed = await world.ok("GET", "/v1/agents/shop/test-dialogs?limit=1")
    assert [one["title"] for one in listed["items"]] == ["b"]
    rest = await world.ok("GET", f"/v1/agents/shop/test-dialogs?limit=1&cursor={listed['next_cursor']}")
    assert [one["dialog_id"] for one in rest["items"]] == [first.dialog["dialog_id"]]
    await second.say("hello")
    for method, path, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/messages", {"role": "user", "content": "hi"}),
        ("PUT", f"/messages/{second.branch()[0]['message_id']}", {"content": "hi"}),
        ("POST", f"/messages/{second.branch()[1]['message_id']}/ask", None),
        ("PUT", "/active", {"message_id": second.branch()[0]["message_id"]}),
    ]:
        answer = await world.call(method, second.path + path, tenant="globex", json=body)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
    assert (await world.call("POST", f"{second.path}/messages", role="viewer", json={})).status_code == 403
    await world.ok("DELETE", second.path)
    assert (await world.call("GET", second.path)).status_code == 404
    assert await world.rows("SELECT FROM agent_svc.test_messages") == []
    actions = [one["action"] for one in (await world.ok("GET", "/v1/audit"))["items"]]
    assert actions[:2] == ["test_dialog.deleted", "test_dialog.user_message"]


async def test_a_service_that_stops_keeps_that_an_answer_was_interrupted(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with agent_world(surroundings, tmp_path) as world:
        await world.agent()
        await world.key()
        talk = await begin(world)
        world.simulator.add_fault("hang", seconds=60, match={"path": "/v1/chat/completions"}, when="before")
        client = await world.running.client()
        body = {"role": "user", "content": "hello"}
        async with client.stream(
            "POST", f"{talk.path}/messages", json=body, headers={"Accept": "text/event-stream"}
        ) as stream:
            await anext(stream.aiter_lines())
    async with surroundings.databases.connection(surroundings.database) as connection:
        rows = await connection.fetch(
            "SELECT role, status, error FROM agent_svc.test_messages ORDER BY position"
        )
    assert [tuple(row) for row in rows] == [("user", "said", None), ("assistant", "failed", "interrupted")]
