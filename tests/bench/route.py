"""From `model.activated` on the broker to every instance answering with it: three instances of agent-svc.

Each round publishes an activation and asks every instance again and again until its answer names the new
version; the figure of a round is the slowest instance's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from uuid_utils.compat import uuid7

from contracts.agents import SharedTarget
from contracts.training import ModelActivated
from deploy.stack.processes import Process, port_answers
from deploy.stack.services import Surroundings
from deploy.stack.settings import ROOT, free_ports
from tests.bench._stage import issuer_of, quantile, result, stage
from tests.bench._upstream import ASKED
from tests.harness import Running, instance, publish, publisher, token

INSTANCES = 3
WARM = 5
KEY = "sk-bench-0000000000000001"
PAUSE = 0.005


async def _instances(stack: AsyncExitStack, surroundings: Surroundings, folder: Path) -> list[Running]:
    """Three instances of agent-svc at one upstream, and the agent."""
    (port,) = free_ports(1)
    serve: list[str | Path] = [sys.executable, "-m", "tests.bench._upstream", str(port)]
    upstream = Process("upstream", serve, log=folder / "upstream.log", env=dict(os.environ), cwd=ROOT)
    upstream.start()
    stack.push_async_callback(upstream.stop, 5)
    await upstream.ready(lambda: port_answers(port), 30)
    catalogue = folder / "catalogue.yaml"
    entry = {"id": "bench", "base_url": f"http://127.0.0.1:{port}/v1", "allow_private": True}
    catalogue.write_text(yaml.safe_dump({"providers": [entry]}))
    issuer = await stack.enter_async_context(issuer_of(folder))
    settings = {"issuer": issuer, "jwks_url": f"{issuer}/.well-known/jwks.json", "log_level": "warning"}
    settings |= {"catalogue": str(catalogue), "requests_per_minute": "0"}
    running = [
        instance(surroundings, "agent-svc", folder, str(slot), **settings) for slot in range(INSTANCES)
    ]
    for one in running:
        one.start()
        stack.callback(one.stop, 9)
    await asyncio.gather(*(one.ready() for one in running))
    return running


async def _applied(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], version: int, began: float
) -> float:
    """Seconds until this instance answers with the version."""
    while True:
        async with session.post(f"{url}/v1/chat/completions", json=ASKED, headers=headers) as answer:
            await answer.read()
            if int(answer.headers["X-Route-Version"]) >= version:
                return time.perf_counter() - began
        await asyncio.sleep(PAUSE)


async def _measure(rounds: int) -> dict[str, Any]:
    took: list[float] = []
    async with stage("route") as (_, surroundings), AsyncExitStack() as stack:
        running = await _instances(stack, surroundings, surroundings.objects.parent)
        api = await running[0].client()
        agent = {"name": "Shop", "prompt": "x", "tools": [], "base_model": "m", "provider": "bench"}
        (await api.put("/v1/agents/shop", json=agent)).raise_for_status()
        key = (await api.put("/v1/agents/shop/keys/bench", json={"key": KEY})).raise_for_status().json()
        headers = {"Authorization": f"Bearer {await token(running[0].environment['MORTARBOARD_ISSUER'])}"}
        producer = await stack.enter_async_context(publisher(surroundings))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for version in range(1, rounds + WARM + 1):
            target = SharedTarget(model=f"m{version}", provider="bench", key_id=key["key_id"], share=1)
            event = ModelActivated(
                activation_id=str(uuid7()), agent_id="shop", expected_route_version=version - 1,
                targets=(target,), by="bench", reason="bench",
            )  # fmt: skip
            began = time.perf_counter()
            await publish(producer, surroundings, [event], sequences=[version])
            asked = (_applied(session, one.url, headers, version, began) for one in running)
            slowest = 1000 * max(await asyncio.gather(*asked))
            if version > WARM:
                took.append(slowest)
            await asyncio.sleep(0.02)
        for client in running[0].clients.values():
            await client.aclose()
    return {
        "applied_p50_ms": round(quantile(took, 0.5), 1),
        "applied_p99_ms": round(quantile(took, 0.99), 1),
        "rounds": len(took),
        "instances": INSTANCES,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench route", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    result(**asyncio.run(_measure(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
