"""What the gateway records: each dialog as it was, whatever its requests look like."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.dialogs import DialogErased
from deploy.simulator.testing import RunningSimulator
from deploy.stack.prepared import Prepared, prepare
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.topics import create_topics
from tests.harness import bodies, now, publish, publisher, service, until
from tests.integration.gateway_world import CHAT, SHOP, another_gateway, branch, gateway


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def plain(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in messages]


@pytest.mark.parametrize("window", [0, 6], ids=["full history", "sliding history"])
async def test_twenty_turns_each_sent_twice_are_forty_messages(
    surroundings: Surroundings, tmp_path: Path, window: int
) -> None:
    async with (
        gateway(surroundings, tmp_path) as world,
        service(surroundings, "dialog-svc", tmp_path) as dialogs,
    ):
        history: list[dict[str, Any]] = []
        for turn in range(20):
            history.append(user(f"What does bouquet {turn} cost?"))
            seen = history[-window:] if window else history
            answers = [await world.say(seen, "d1", body={"stream": False}) for _ in range(2)]
            assert answers[0] == answers[1]
            history.append(answers[0])
        found = await world.recorded(40)
        assert plain([body["message"] for body in found]) == plain(history)
        assert len({body["message"]["id"] for body in found}) == 40
        api = await dialogs.client()

        async def taken_in() -> Any:
            shown = await api.get("/v1/dialogs/d1")
            return shown.json()["messages"] if shown.status_code == 200 else None

        async def whole() -> bool:
            return len(await taken_in() or ()) == 40

        await until(whole)
        assert plain(await taken_in()) == plain(history)


async def test_answers_again_edits_and_ids_of_the_backend(surroundings: Surroundings, tmp_path: Path) -> None:
    async with gateway(surroundings, tmp_path) as world:
        first = await world.say([user("Apples?")], "d1", x_message_id="m1")
        history = [user("Apples?"), first, user("Pears?")]
        asked = await world.ask(history, "d1", x_message_id="m2")
        assert asked.headers["x-message-id"] == "m2"
        # the same request answered otherwise takes the former answer's place
        await world.api.put("/v1/agents/shop", json=SHOP | {"prompt": "You sell pears."})
        again = await world.say(history, "d1", x_message_id="m2")
        found = await world.recorded(5)
        assert found[4]["replaces"] == found[3]["message"]["id"]
        assert plain(branch(found)) == plain([*history, again])
        assert [message["id"] for message in branch(found)][::2] == ["m1", "m2"]
        # an edit of the second question
        edited = [user("Apples?"), first, user("Plums?")]
        last = await world.say(edited, "d1", x_message_id="m3", x_replaces="m2")
        found = await world.recorded(7)
        assert plain(branch(found)) == plain([*edited, last])
        # edited back without ids of one's own: equal to the first wording, and yet another message
        back = await world.say(history, "d1", x_replaces="m3")
        found = await world.recorded(9)
        assert plain(branch(found)) == plain([*history, back])


async def test_functions_are_recorded_with_their_answers(surroundings: Surroundings, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "stock", "parameters": {"type": "object"}}}
    async with gateway(surroundings, tmp_path) as world:
        await world.api.put("/v1/agents/shop", json=SHOP | {"tools": [tool]})
        history = [user("Look at the stock of apples.")]
        call = await world.say(history, "d1")
        assert call["tool_calls"][0]["function"]["name"] == "stock"
        history += [call, {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "12"}]
        history.append(await world.say(history, "d1"))
        found = [body["message"] for body in await world.recorded(4)]
        assert [message["role"] for message in found] == ["user", "assistant", "tool", "assistant"]
        assert [message["author"] for message in found] == ["client", "model", "automation", "model"]
        assert found[1]["tool_calls"] == call["tool_calls"]
        assert found[2]["tool_call_id"] == call["tool_calls"][0]["id"]


async def test_a_caller_who_hangs_up_leaves_what_was_said(surroundings: Surroundings, tmp_path: Path) -> None:
    slow = RunningSimulator(tmp_path / "simulator", speed=0.2)  # 0.1 s between two words
    async with gateway(surroundings, tmp_path, simulator=slow) as world:
        body = {"model": "agent:shop", "messages": [user("Apples?")], "stream": True}
        heard = b""
        async with world.api.stream("POST", CHAT, json=body, headers={"X-Dialog-Id": "d1"}) as answer:
            async for chunk in answer.aiter_raw():
                heard += chunk
                if b"message" in heard:
                    break
        found = [one["message"] for one in await world.recorded(2)]
        assert found[0]["content"] == "Apples?"
        assert found[1]["content"].startswith("Thank you for your message")
        assert "Could you" not in found[1]["content"]
        # asked again, the whole answer takes the place of the broken-off one
        whole = await world.say([user("Apples?")], "d1")
        found = await world.recorded(3)
        assert plain(branch(found)) == plain([user("Apples?"), whole])


async def test_two_requests_at_once_are_recorded_in_order_of_arrival(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world, another_gateway(world, tmp_path, "2") as second:
        first = await world.say([user("Hello.")], "d1")
        history = [user("Hello."), first]
        # the earlier request is answered later, and by another instance
        world.simulator.add_fault("hang", match={"path": "/v1/chat/completions"}, seconds=1.5)
        early = asyncio.create_task(world.say([*history, user("Early?")], "d1"))

        async def under_way() -> bool:
            return not world.simulator.admin("GET", "faults")["faults"]

        await until(under_way)
        body = {"model": "agent:shop", "messages": [*history, user("Late?")]}
        answer = await second.post(CHAT, json=body, headers={"X-Dialog-Id": "d1"})
        late = answer.json()["choices"][0]["message"]
        assert not early.done()
        found = await world.recorded(6)
        said = [*history, user("Early?"), await early, user("Late?"), late]
        assert plain([one["message"] for one in found]) == plain(said)
        # both at once and the same: recorded once
        twin = [user("Twins?")]
        await asyncio.gather(world.say(twin, "d2"), world.say(twin, "d2"))
        assert len([one for one in await world.recorded(8) if one["dialog_id"] == "d2"]) == 2


async def test_a_request_whose_instance_died_holds_others_up_for_its_time_only(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        async with surroundings.databases.connection(surroundings.database) as connection:
            await connection.execute(
                "INSERT INTO agent_svc.turns (tenant_id, dialog_id, until) "
                "VALUES ('acme', 'd1', now() + interval '1 hour')"
            )
            await world.say([user("After the dead.")], "d1")
            await world.say([user("Elsewhere.")], "d2")
            found = await world.recorded(2)
            assert {one["dialog_id"] for one in found} == {"d2"}
            await connection.execute("UPDATE agent_svc.turns SET until = now() WHERE until > now()")
        found = await world.recorded(4)
        assert plain([one["message"] for one in found if one["dialog_id"] == "d1"])[0] == (
            "user",
            "After the dead.",
        )
        async with surroundings.databases.connection(surroundings.database) as connection:
            waiting = "SELECT count(*) FROM agent_svc.turns WHERE until > now()"
            assert await connection.fetchval(waiting) == 0


async def test_what_the_backend_records_itself_is_left_to_it(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        await world.api.put("/v1/agents/shop", json=SHOP | {"recorded_by": "backend"})
        await world.say([user("Not for us.")], "d1")
        await world.api.put("/v1/agents/shop", json=SHOP)
        await world.say([user("For us.")], "d1")
        found = await world.recorded(2)
        assert found[0]["message"]["content"] == "For us."


async def test_an_erased_dialog_is_answered_but_not_recorded(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        await world.say([user("Before.")], "d1")
        await world.recorded(2)
        gone = DialogErased(
            dialog_id="d1", agent_id="shop", requested_at=now(), reason="asked", erasure_id=str(uuid4())
        )
        async with publisher(surroundings) as producer:
            await publish(producer, surroundings, [gone], source="/dialog-svc")
        await until(lambda: bodies(surroundings, "dialog.forgotten"))
        await world.say([user("After.")], "d1")
        await world.say([user("Elsewhere.")], "d2")
        found = await world.recorded(4)
        assert plain([one["message"] for one in found if one["dialog_id"] == "d1"])[0] == ("user", "Before.")
        assert len([one for one in found if one["dialog_id"] == "d1"]) == 2
        async with surroundings.databases.connection(surroundings.database) as connection:
            open_turns = "SELECT count(*) FROM agent_svc.turns WHERE dialog_id = 'd1'"
            assert await connection.fetchval(open_turns) == 0


async def test_a_refused_request_holds_nobody_up(surroundings: Surroundings, tmp_path: Path) -> None:
    async with gateway(surroundings, tmp_path) as world:
        world.simulator.add_fault("server_error", match={"path": "/v1/chat/completions"})
        refused = await world.ask([user("Broken?")], "d1")
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, "provider_unavailable")
        await world.say([user("Whole?")], "d1")
        assert plain([one["message"] for one in await world.recorded(2)])[0] == ("user", "Whole?")


async def test_a_lost_broker_takes_nothing_away(
    own_servers: Servers, servers: Prepared, tmp_path: Path
) -> None:
    prepared = await prepare(own_servers.bootstrap, own_servers.admin_url, servers.issuer, tmp_path)
    await create_topics(own_servers.bootstrap, "", 1)
    (tmp_path / "objects").mkdir()
    surroundings = Surroundings(
        kafka_bootstrap=own_servers.bootstrap,
        databases=prepared.databases,
        database=prepared.template,
        objects=tmp_path / "objects",
        issuer=servers.issuer,
        master_key=prepared.master_key,
    )
    async with gateway(surroundings, tmp_path) as world:
        await world.say([user("Hello?")], "d0")
        own_servers.kill_kafka()
        await world.say([user("Still there?")], "d1")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{world.agents.ops}/readyz")).status_code == 200
        await own_servers.start_kafka()
        found = [one for one in await world.recorded(4) if one["dialog_id"] == "d1"]
        assert plain([one["message"] for one in found])[0] == ("user", "Still there?")
