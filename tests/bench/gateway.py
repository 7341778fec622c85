"""What the gateway adds to a request, beside what LiteLLM's proxy adds to the same one.

Each round asks the same upstream directly, through agent-svc and through LiteLLM, one after the other, whole
and streamed; "added" is the difference within a round. LiteLLM has an environment of its own in the cache.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import yaml

from deploy.cli.lock import uv
from deploy.stack import files
from deploy.stack.processes import Process, port_answers
from deploy.stack.services import Surroundings
from deploy.stack.settings import ROOT, free_ports, from_environment
from tests.bench._stage import issuer_of, quantile, result, stage
from tests.bench._upstream import ask
from tests.harness import instance, token

LITELLM = "1.108.7"
KEY = "sk-bench-0000000000000001"
WARM = 40
CALLERS = 16


def bring_litellm(cache: Path) -> Path:
    """Install LiteLLM's proxy into the cache, once; returns its program."""
    home = cache / f"litellm-{LITELLM}"
    with files.locked(cache / "litellm.lock"):
        if not (home / "ready").exists():
            print(f"bringing LiteLLM {LITELLM} (once) …", flush=True)
            tool = str(uv(cache))
            subprocess.run([tool, "venv", "--quiet", "--clear", str(home)], check=True)
            install = [tool, "pip", "install", "--quiet", "--python", str(home / "bin" / "python")]
            subprocess.run([*install, f"litellm[proxy]=={LITELLM}"], check=True)
            (home / "ready").touch()
    return home / "bin" / "litellm"


@asynccontextmanager
async def _process(
    name: str, command: list[str | Path], port: int, folder: Path, **more: str
) -> AsyncIterator[int]:
    """A process that answers on its port while the block runs: its process id."""
    process = Process(name, command, log=folder / f"{name}.log", env={**os.environ, **more}, cwd=ROOT)
    process.start()
    try:
        await process.ready(lambda: port_answers(port), 120)
        yield process.pid
    finally:
        await process.stop(5)


@asynccontextmanager
async def _gateway(surroundings: Surroundings, upstream: str, folder: Path) -> AsyncIterator[Any]:
    """agent-svc with an agent whose provider is the upstream: (address, headers, process id)."""
    catalogue = folder / "catalogue.yaml"
    entry = {"id": "bench", "name": "Bench", "base_url": f"{upstream}/v1", "allow_private": True}
    catalogue.write_text(yaml.safe_dump({"providers": [entry], "base_models": []}))
    async with issuer_of(folder) as issuer:
        settings = {"issuer": issuer, "jwks_url": f"{issuer}/.well-known/jwks.json", "log_level": "warning"}
        settings["requests_per_minute"] = "1000000"  # the rate is kept, and never reached
        running = instance(surroundings, "agent-svc", folder, catalogue=str(catalogue), **settings)
        running.environment["MORTARBOARD_ISSUER"] = issuer
        running.start()
        try:
            await running.ready()
            api = await running.client()
            agent = {"name": "Shop", "prompt": "x", "tools": [], "base_model": "m", "provider": "bench"}
            (await api.put("/v1/agents/shop", json=agent)).raise_for_status()
            (await api.put("/v1/agents/shop/keys/bench", json={"key": KEY})).raise_for_status()
            bearer = await token(issuer)
            assert running.process is not None
            yield running.url, {"Authorization": f"Bearer {bearer}"}, running.process.pid
        finally:
            for client in running.clients.values():
                await client.aclose()
            running.stop(9)


@asynccontextmanager
async def _sides(folder: Path, surroundings: Surroundings) -> AsyncIterator[dict[str, Any]]:
    """The three sides: name → (address, headers, process id)."""
    upstream_port, litellm_port = free_ports(2)
    upstream = f"http://127.0.0.1:{upstream_port}"
    config = folder / "litellm.yaml"
    params = {"model": "openai/m", "api_base": f"{upstream}/v1", "api_key": KEY}
    config.write_text(
        yaml.safe_dump({"model_list": [{"model_name": "agent:shop", "litellm_params": params}]})
    )
    program = bring_litellm(from_environment().cache)
    serve: list[str | Path] = [sys.executable, "-m", "tests.bench._upstream", str(upstream_port)]
    proxy: list[str | Path] = [
        program,
        "--config",
        config,
        "--host",
        "127.0.0.1",
        "--port",
        str(litellm_port),
    ]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_process("upstream", serve, upstream_port, folder))
        litellm = await stack.enter_async_context(_process("litellm", proxy, litellm_port, folder, **quiet))
        gateway = await stack.enter_async_context(_gateway(surroundings, upstream, folder))
        yield {
            "direct": (upstream, {}, 0),
            "gateway": gateway,
            "litellm": (f"http://127.0.0.1:{litellm_port}", {"Authorization": f"Bearer {KEY}"}, litellm),
        }


async def _added(sides: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Milliseconds that each side adds, a round: to a whole answer, to a stream's first and last byte."""
    added: dict[str, list[float]] = {}
    async with aiohttp.ClientSession() as session:
        for number in range(rounds + WARM):
            for stream in (False, True):
                took = {
                    side: await ask(session, url, headers, stream=stream)
                    for side, (url, headers, _) in sides.items()
                }
                if number < WARM:
                    continue
                for side in ("gateway", "litellm"):
                    first, last = (1000 * (took[side][n] - took["direct"][n]) for n in (0, 1))
                    if stream:
                        added.setdefault(f"{side} first byte", []).append(first)
                    added.setdefault(f"{side} {'stream' if stream else 'whole'}", []).append(last)
    return added


async def _throughput(url: str, headers: dict[str, str], seconds: float) -> float:
    """Whole answers a second to so many callers at once."""
    done = 0
    until = time.monotonic() + seconds

    async def call(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while time.monotonic() < until:
            await ask(session, url, headers, stream=False)
            done += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(call(session) for _ in range(CALLERS)))
    return done / seconds


async def _measure(rounds: int, seconds: float) -> dict[str, Any]:
    async with stage("gateway") as (_, surroundings):
        folder = surroundings.objects.parent
        async with _sides(folder, surroundings) as sides:
            added = await _added(sides, rounds)
            for name, values in added.items():
                print(f"{name:20} p50 {quantile(values, 0.5):7.2f} ms  p99 {quantile(values, 0.99):7.2f} ms")
            rates = {
                side: await _throughput(sides[side][0], sides[side][1], seconds)
                for side in ("direct", "gateway", "litellm")
            }
            memory = {side: _memory_mb(sides[side][2]) for side in ("gateway", "litellm")}
    middle = {name: quantile(values, 0.5) for name, values in added.items()}
    return {
        "added_p50_ms": round(middle["gateway whole"], 2),
        "added_p99_ms": round(quantile(added["gateway whole"], 0.99), 2),
        "litellm_added_p50_ms": round(middle["litellm whole"], 2),
        "first_byte_added_p50_ms": round(middle["gateway first byte"], 2),
        "litellm_first_byte_added_p50_ms": round(middle["litellm first byte"], 2),
        "ratio": round(
            max(middle[f"gateway {of}"] / middle[f"litellm {of}"] for of in ("whole", "first byte")), 3
        ),
        "per_s": {side: round(rate) for side, rate in rates.items()},
        "rss_mb": memory,
    }


def _memory_mb(pid: int) -> float:
    return round(psutil.Process(pid).memory_info().rss / 1_000_000, 1)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    result(**asyncio.run(_measure(arguments.rounds, arguments.seconds)))


if __name__ == "__main__":
    main()
