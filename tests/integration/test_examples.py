"""The examples, in Python and Node, run as they stand against real services."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.event import Event
from contracts.registry import parse
from contracts.training import TrainingStatus
from deploy.stack.certificates import Authority
from deploy.stack.secure import ADMIN
from deploy.stack.services import Surroundings
from tests.harness import publish, publisher, records, service, token, until
from tests.integration import node
from tests.integration.gateway_world import BASE, SECRET, SMART, gateway

PYTHON = node.ROOT / "examples" / "python"
VECTORS = node.ROOT / "contracts" / "examples" / "share_vectors.json"
KINDS = ["python", "node"]


def program(kind: str, name: str, folder: Path) -> Path:
    if kind == "python":
        return PYTHON / f"{name}.py"
    home = folder / "node"
    return (home if home.exists() else node.examples(folder)) / f"{name}.mjs"


def variables(surroundings: Surroundings, user: str = "chat-backend", **more: str) -> dict[str, str]:
    secure = surroundings.secure.kafka_environment(user) if surroundings.secure else {}
    return (
        {name.removeprefix("MORTARBOARD_"): value for name, value in secure.items()}
        | {
            "KAFKA_BOOTSTRAP": surroundings.kafka_bootstrap,
            "TOPIC_PREFIX": surroundings.topic_prefix,
            "TENANT": "acme",
        }
        | more
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_publishing_and_subscribing(surroundings: Surroundings, tmp_path: Path, kind: str) -> None:
    async with service(surroundings, "dialog-svc", tmp_path) as dialogs:
        for _ in range(2):  # sent again: the same messages
            await node.run(
                program(kind, "publish_chat", tmp_path), "d/1", "shop", variables=variables(surroundings)
            )
        for record in await records(surroundings, "chat.events"):
            headers = dict(record.headers)
            assert isinstance(parse(headers["ce_type"].decode(), record.value), Event)
            assert record.key == b"acme/d%2F1"
        api = await dialogs.client()

        async def taken_in() -> Any:
            found = (await api.get("/v1/dialogs?agent_id=shop")).json()["items"]
            return [one for one in found if one["outcome"]]

        (shown,) = await until(taken_in)
        assert (shown["dialog_id"], shown["outcome"]) == ("d/1", "solved")
        lines = await _heard(program(kind, "subscribe", tmp_path), surroundings)
        assert any(line.startswith("dialog d/1 revision 1: 2 messages") for line in lines)
        run = [line for line in lines if line.startswith("run ")]
        assert run == [f"run {RUN} training"], "an older snapshot is no news, another tenant's neither"


RUN = "01998a5e-0000-7000-8000-000000000001"


async def _heard(subscriber: Path, surroundings: Surroundings) -> list[str]:
    """What a subscriber prints until it has heard of the dialog and the run."""
    status = {
        "run_id": RUN, "dataset_id": RUN, "version": 1, "agent_id": "shop", "base_model": BASE,
        "provider": "openai", "key_id": RUN, "prompt_fingerprint": "0" * 64, "agent_version": 1,
        "step": "following",
    }  # fmt: skip
    newer, older = (
        TrainingStatus.model_validate(status | {"status": now}) for now in ("training", "waiting")
    )
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [newer, older], sequences=[2, 1])
        await publish(producer, surroundings, [newer], tenant="globex", sequences=[9])
    tool = sys.executable if subscriber.suffix == ".py" else node.tool("node")
    process = await asyncio.create_subprocess_exec(
        tool,
        str(subscriber),
        env=node.environment(**variables(surroundings, ADMIN)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(30):
            while len({line.split()[0] for line in lines}) < 2:
                lines.append((await process.stdout.readline()).decode())
        await asyncio.sleep(1)
        process.send_signal(signal.SIGTERM)
        rest, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return [line.strip() for line in (*lines, *rest.decode().splitlines(keepends=True))]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_backend_that_asks_the_provider_itself(
    surroundings: Surroundings, tmp_path: Path, kind: str
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        await world.activate(world.target("gone"), fallback=world.fallback(SMART))
        await world.route_becomes("activated")
        await world.activate(
            world.target("gone", 0.5), world.target(BASE, 0.5), fallback=world.fallback(SMART)
        )

        async def told() -> bool:
            return len(await records(surroundings, "agent.routed")) == 2

        await until(told)
        names = ("base_url", "api_key") if kind == "python" else ("baseURL", "apiKey")
        providers = {"openai": dict(zip(names, (world.simulator.base_url, SECRET), strict=True))}
        asked = variables(surroundings, PROVIDERS=json.dumps(providers))
        said = {}
        for dialog in ("d1", "d2", "d3", "d4"):
            line = await node.run(
                program(kind, "routes", tmp_path), "shop", dialog, "Apples?", variables=asked
            )
            said[dialog] = line.partition(":")[0]
            answer = await world.ask([{"role": "user", "content": "Apples?"}], dialog)
            assert answer.headers["x-model"] == said[dialog], "the gateway chooses the same"
        assert set(said.values()) == {BASE, SMART}


@pytest.mark.parametrize("kind", KINDS)
async def test_chatting_through_the_gateway(surroundings: Surroundings, tmp_path: Path, kind: str) -> None:
    async with gateway(surroundings, tmp_path) as world:
        bearer = await token(world.agents.environment["MORTARBOARD_ISSUER"])
        address = {"GATEWAY_URL": f"{world.agents.url}/v1", "TOKEN": bearer}
        said = await node.run(program(kind, "chat", tmp_path), "shop", "d1", "Apples?", variables=address)
        found = await world.recorded(2)
        assert [one["message"]["content"] for one in found] == ["Apples?", said.strip()]
        assert found[0]["message"]["id"] == "m1"


async def test_every_program_chooses_by_the_contracts_vectors(tmp_path: Path) -> None:
    python = tmp_path / "vectors.py"
    python.write_text(
        "import json, sys; sys.path.insert(0, sys.argv[2]); from routes import choose\n"
        "vectors = json.load(open(sys.argv[1]))\n"
        "print([choose(v['agent_id'], v['dialog_id'], v['shares']) for v in vectors])\n"
    )
    program_of_node = tmp_path / "vectors.mjs"
    program_of_node.write_text(
        "import { readFileSync } from 'node:fs'; import { choose } from './events.mjs'\n"
        "const vectors = JSON.parse(readFileSync(process.argv[2]))\n"
        "console.log(JSON.stringify(vectors.map(v => choose(v.agent_id, v.dialog_id, v.shares))))\n"
    )
    home = node.examples(tmp_path, program_of_node)
    expected = [vector["index"] for vector in json.loads(VECTORS.read_text())]
    assert json.loads(await node.run(python, str(VECTORS), str(PYTHON), variables={})) == expected
    assert json.loads(await node.run(home / "vectors.mjs", str(VECTORS), variables={})) == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_brokers_that_share_an_address_are_asked_for_by_name(tmp_path: Path, kind: str) -> None:
    asked: asyncio.Queue[str | None] = asyncio.Queue()
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("kafka", ["localhost"]))
    context.sni_callback = lambda _, name, __: asked.put_nowait(name)
    async with await asyncio.start_server(
        lambda _, writer: writer.close(), "localhost", ssl=context
    ) as server:
        port = server.sockets[0].getsockname()[1]
        secure = {"KAFKA_SECURITY": "SSL", "KAFKA_CA_FILE": str(authority.certificate)}
        told = {"KAFKA_BOOTSTRAP": f"localhost:{port}", "TENANT": "acme", **secure}
        task = asyncio.create_task(
            node.run(program(kind, "publish_chat", tmp_path), "d", "shop", variables=told)
        )
        try:
            assert await asyncio.wait_for(asked.get(), 60) == "localhost"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"KAFKA_SECURITY": "sasl_ssl"}, "SASL_SSL"),
        ({"KAFKA_SECURITY": "SASL_PLAINTEXT", "KAFKA_USERNAME": "one"}, "KAFKA_PASSWORD_FILE"),
    ],
)
async def test_a_setting_that_is_wrong_is_named(
    tmp_path: Path, kind: str, told: dict[str, str], said: str
) -> None:
    told = {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "TENANT": "acme", **told}
    with pytest.raises(AssertionError, match=said):
        await node.run(program(kind, "publish_chat", tmp_path), "d", "shop", variables=told, within=20)
