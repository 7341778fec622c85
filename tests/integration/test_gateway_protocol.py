"""OpenAI's protocol through the gateway, by the official packages for Python and Node, unchanged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web

from deploy.stack.services import Surroundings
from tests.harness import bodies, until
from tests.integration import node
from tests.integration.gateway_world import BASE, CHAT, SECRET, SHOP, World, gateway

TOOL = {"type": "function", "function": {"name": "stock", "parameters": {"type": "object", "properties": {}}}}
APPLES: Any = [{"role": "user", "content": "Apples?"}]
STOCK: Any = [{"role": "user", "content": "Look at the stock of apples."}]


def token_of(world: World) -> str:
    return str(world.api.headers["Authorization"].removeprefix("Bearer "))


@pytest.fixture
async def world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway(surroundings, tmp_path) as running:
        answer = await running.api.put("/v1/agents/shop", json=SHOP | {"tools": [TOOL]})
        assert answer.status_code == 200
        yield running


async def test_the_python_package_works_unchanged(world: World) -> None:
    address = f"{world.agents.url}/v1"
    async with openai.AsyncOpenAI(api_key=token_of(world), base_url=address, max_retries=0) as client:
        chat = client.chat.completions
        raw = await chat.with_raw_response.create(model="agent:shop", messages=APPLES)
        plain = raw.parse()
        assert plain.usage is not None
        assert plain.usage.total_tokens > 0
        assert "You sell apples" in str(plain.choices[0].message.content), "the agent's prompt is applied"
        assert raw.headers["x-model"] == BASE
        assert raw.request_id
        assert raw.headers["x-dialog-id"]
        text, usage = "", None
        async for chunk in await chat.create(
            model="agent:shop", messages=APPLES, stream=True, stream_options={"include_usage": True}
        ):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            usage = chunk.usage or usage
        assert text == plain.choices[0].message.content
        assert usage is not None
        async with chat.stream(model="agent:shop", messages=STOCK) as stream:
            called = (await stream.get_final_completion()).choices[0].message
        assert called.tool_calls is not None
        assert called.tool_calls[0].function.name == "stock", "the agent's functions are applied"
        assert len((await chat.create(model="agent:shop", messages=APPLES, n=2)).choices) == 2
        assert [model.id async for model in client.models.list()] == ["agent:shop"]
        with pytest.raises(openai.NotFoundError) as missing:
            await chat.create(model="agent:nobody", messages=APPLES)
        assert (missing.value.code, missing.value.type) == ("not_found", "invalid_request_error")
        with pytest.raises(openai.BadRequestError) as refused:
            await chat.create(model="agent:shop", messages=APPLES, extra_body={"messages": []})
        assert refused.value.param == "messages"
    async with openai.AsyncOpenAI(api_key="ey.J.x", base_url=address, max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await stranger.chat.completions.create(model="agent:shop", messages=APPLES)
        assert unknown.value.code == "token_invalid"


async def test_the_node_package_works_unchanged(world: World, tmp_path: Path) -> None:
    home = node.examples(tmp_path, Path(__file__).with_name("openai_sdk.mjs"))
    variables = {"GATEWAY_URL": f"{world.agents.url}/v1", "TOKEN": token_of(world)}
    seen = json.loads(await node.run(home / "openai_sdk.mjs", variables=variables))
    assert seen["plain"] == seen["streamed"]
    assert "You sell apples" in seen["plain"]
    assert seen["usage"] > 0
    assert seen["streamedUsage"] > 0
    assert (seen["model"], seen["called"]["name"]) == (BASE, "stock")
    assert seen["requestId"]
    assert (seen["choices"], seen["models"]) == (2, ["agent:shop"])
    error = seen["error"]
    assert (error["kind"], error["status"], error["code"]) == ("NotFoundError", 404, "not_found")


class Echo:
    """A provider that notes what it is sent, and answers with fields that nobody knows."""

    answer = b'{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",'
    answer += (
        b'"content":null,"refusal":"I would rather not."},"finish_reason":"stop"}],"n\\u00e9w":[1e0, 1.50]}'
    )

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[Any] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(request.headers)
        if not self.bodies[-1].get("stream"):
            return web.Response(body=self.answer, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b': a comment\n\ndata: {"choices":[],"odd":  true}\n\nevent: strange\n')
        await response.write(b"data: [DONE]\n\n")
        return response


async def test_bytes_pass_through_both_ways(surroundings: Surroundings, tmp_path: Path) -> None:
    """What the provider gets and what it says is below what the simulator can show: an echo stands in."""
    echo = Echo()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        async with gateway(surroundings, tmp_path) as world:
            entry = f"{{id: openai, base_url: 'http://127.0.0.1:{port}/v1', allow_private: true}}"
            (tmp_path / "catalogue.yaml").write_text(f"providers: [{entry}]\n")
            await world.api.put(
                "/v1/agents/shop", json=SHOP | {"tools": [TOOL], "parallel_tool_calls": False}
            )
            odd = {"service_tier": "flex", "new_thing": {"a": [1, None]}, "temperature": 0.1}

            async def reread() -> bool:
                await world.ask(APPLES, "d0")
                return bool(echo.bodies)

            await until(reread)
            whole = await world.ask(APPLES, "d1", body=odd)
            sent = echo.bodies[-1]
            assert {name: sent[name] for name in odd} == odd
            assert sent["model"] == BASE
            assert sent["messages"] == [{"role": "system", "content": SHOP["prompt"]}, *APPLES]
            assert (sent["tools"][0]["function"]["name"], sent["parallel_tool_calls"]) == ("stock", False)
            assert whole.content == Echo.answer
            streamed = await world.ask(APPLES, "d2", body={"stream": True})
            assert streamed.content.startswith(b': a comment\n\ndata: {"choices":[],"odd":  true}')
            assert streamed.headers["content-type"] == "text/event-stream"
            # what the request brings itself is left as it is
            own = [{"role": "developer", "content": "Be brief."}, *APPLES]
            await world.ask(own, "d3", body={"tools": [], "parallel_tool_calls": True})
            sent = echo.bodies[-1]
            assert (sent["messages"], sent["tools"], sent["parallel_tool_calls"]) == (own, [], True)
            # the caller's token and headers stay here
            assert echo.headers[-1]["Authorization"] == f"Bearer {SECRET}"
            assert not {"X-Dialog-Id", "X-Tenant-Id", "Cookie"} & set(echo.headers[-1])

            async def said() -> Any:
                found = await bodies(surroundings, "chat.events")
                return [
                    one["message"]["content"]
                    for one in found
                    if one["dialog_id"] == "d3" and one["message"]["role"] == "assistant"
                ]

            assert await until(said) == ["I would rather not."]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"not json", "body"),
        (b"[]", "body"),
        (b'{"model":"agent:shop"}', "messages"),
        (b'{"model":"agent:shop","messages":[]}', "messages"),
        (b'{"model":"agent:shop","messages":["x"]}', "messages[0]"),
        (b'{"model":"agent:shop","messages":[{"role":"user"}],"stream":"yes"}', "stream"),
        (b'{"model":7,"messages":[{"role":"user"}]}', "model"),
        (b'{"messages":[{"role":"user"}]}', "model"),
    ],
)
async def test_what_is_no_chat_request_is_refused_in_openais_form(
    body: bytes, param: str, shared_world: World
) -> None:
    answer = await shared_world.api.post(CHAT, content=body, headers={"Accept-Language": "ru"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert any("а" <= letter <= "я" for letter in error["message"])


@pytest.fixture
async def shared_world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway(surroundings, tmp_path) as running:
        yield running


async def test_a_tenants_requests_are_limited_over_all_instances(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    limits = json.dumps({"acme": {"requests_per_minute": 3}})
    async with gateway(surroundings, tmp_path, tenant_limits=limits, requests_at_once="2") as world:
        answers = [await world.ask(APPLES) for _ in range(5)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[3].headers["retry-after"]) <= 20
        assert answers[3].json()["error"]["code"] == "too_many_a_minute"
        async with surroundings.databases.connection(surroundings.database) as connection:
            await connection.execute(
                "UPDATE agent_svc.request_rates SET free_at = free_at - interval '20 seconds'"
            )
        assert (await world.ask(APPLES)).status_code == 200, "one more after a third of a minute"
        assert (await world.ask(APPLES)).status_code == 429
        other = await world.agents.client("globex")
        unknown = await other.post(CHAT, json={"model": "agent:shop", "messages": APPLES})
        assert unknown.status_code == 404, "another tenant has a rate of its own, and other agents"


async def test_a_tenants_requests_at_once_are_limited(surroundings: Surroundings, tmp_path: Path) -> None:
    async with gateway(surroundings, tmp_path, requests_at_once="2") as world:
        world.simulator.add_fault("hang", match={"path": CHAT}, times=2, seconds=1.0)
        held = [asyncio.create_task(world.ask(APPLES)) for _ in range(2)]

        async def both_under_way() -> bool:
            return not world.simulator.admin("GET", "faults")["faults"]

        await until(both_under_way)
        refused = await world.ask(APPLES)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["error"]["code"] == "too_many_at_once"
        assert [one.status_code for one in await asyncio.gather(*held)] == [200, 200]
        assert (await world.ask(APPLES)).status_code == 200


async def test_ids_that_no_header_may_hold_are_refused(shared_world: World) -> None:
    for name in ("X-Dialog-Id", "X-Message-Id", "X-Replaces"):
        for value in (b"x" * 129, b"a\xff"):
            answer = await shared_world.api.post(
                CHAT,
                json={"model": "agent:shop", "messages": APPLES},
                headers=httpx.Headers([(name.encode(), value)]),
            )
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)
    answer = await shared_world.api.post(
        CHAT,
        json={"model": "agent:shop", "messages": APPLES},
        headers=httpx.Headers([(b"X-Dialog-Id", "диалог 1".encode())]),
    )
    assert answer.headers["x-dialog-id"] == "%D0%B4%D0%B8%D0%B0%D0%BB%D0%BE%D0%B3 1"
