"""Answers while 100,000 examples are checked and frozen: `python -m tests.bench.load`.

One tenant's requests to dialog-svc and dataset-svc, paced, first while nothing else goes on, then while
another tenant's 100,000 examples are checked and then frozen by the same processes. The last line is
{p99_ratio}: the larger of the two services' p99 under load over its p99 before; also both in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psutil

from contracts.agents import AgentUpdated
from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from deploy.stack.services import Surroundings
from tests.bench._stage import issuer_of, producing, quantile, result, stage
from tests.harness import Running, instance, now, publish, until

RATE = 40.0
"""Requests a second to each service."""
FILL = """
    WITH made AS (
        INSERT INTO examples (tenant_id, id, dataset_id, dialog_id, state, original, draft, saved_revision,
            saved_draft, teaches, answers, changed_by)
        SELECT 'large', uuidv7(), $1, 'd' || n, 'saved', said, said, 1, 1, 3, 3, 'bench'
        FROM generate_series(1, $2::int) n, LATERAL (
            SELECT jsonb_agg(jsonb_build_object('id', 'm' || place, 'content', words,
                'role', CASE place % 2 WHEN 0 THEN 'user' ELSE 'assistant' END)) AS said
            FROM generate_series(0, 5) place,
                LATERAL (SELECT string_agg(md5(format('%s %s %s', n, place, w)), ' ') AS words
                    FROM generate_series(1, 8) w) written
        ) dialog
        RETURNING *
    )
    INSERT INTO example_revisions (tenant_id, example_id, revision, messages, line, tokens, teaches, answers,
        saved_by)
    SELECT tenant_id, id, 1, draft,
        (SELECT string_agg((one - 'id')::text, ',') FROM jsonb_array_elements(draft) one), 1000, 3, 3, 'bench'
    FROM made
"""
Probe = Callable[[int], Awaitable[httpx.Response]]


@asynccontextmanager
async def _services(surroundings: Surroundings, issuer: str) -> AsyncIterator[list[Running]]:
    settings = {"issuer": issuer, "jwks_url": f"{issuer}/.well-known/jwks.json", "log_level": "warning"}
    running = [
        instance(surroundings, name, surroundings.objects.parent, **settings)
        for name in ("dialog-svc", "dataset-svc")
    ]
    try:
        for one in running:
            one.start()
        await asyncio.gather(*(one.ready() for one in running))
        yield running
    finally:
        for one in running:
            for client in one.clients.values():
                await client.aclose()
            one.stop(9)


async def _seed(surroundings: Surroundings, count: int) -> None:
    """Publish both tenants' agent, and the small one's dialogs."""
    agent = AgentUpdated(agent_id="shop", version=1, name="Shop", prompt="Be brief.", tools=(),
                         fingerprint="0" * 64, base_model="m", provider="openai", idle_seconds=60,
                         recorded_by="backend", keys=())  # fmt: skip
    events: list[Any] = []
    for number in range(count):
        dialog = f"d{number}"
        for place, role in enumerate(("user", "assistant", "user", "assistant")):
            message = ChatMessage.model_validate(
                {"id": f"m{place}", "role": role, "content": f"words {number} {place}", "at": now()}
            )
            events.append(MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live"))
        events.append(DialogEnded(dialog_id=dialog, agent_id="shop", at=now()))
    async with producing(surroundings) as producer:
        await publish(producer, surroundings, [agent, *events], tenant="small")
        await publish(producer, surroundings, [agent], tenant="large")


async def _dataset(api: httpx.AsyncClient) -> str:
    async def there() -> Any:
        return (await api.get("/v1/datasets", params={"agent_id": "shop"})).json()["items"]

    return str((await until(there))[0]["id"])


async def _curate(api: httpx.AsyncClient, dataset: str, count: int) -> list[str]:
    async def opened(number: int) -> Any:
        wanted = {"dialog_id": f"d{number}", "revision": 1}
        answer = await api.post(f"/v1/datasets/{dataset}/examples", json=wanted)
        return answer.json()["id"] if answer.status_code in (200, 201) else None

    examples = []
    for number in range(count):
        examples.append(str(await until(lambda one=number: opened(one))))  # type: ignore[misc]
        (await api.post(f"/v1/examples/{examples[-1]}/save")).raise_for_status()
    return examples


def _probes(
    dialogs: httpx.AsyncClient, api: httpx.AsyncClient, dataset: str, examples: list[str]
) -> dict[str, list[Probe]]:
    def example(number: int) -> str:
        return f"/v1/examples/{examples[number % len(examples)]}"

    async def edit(number: int) -> httpx.Response:
        operations = [{"op": "edit", "message_id": "m1", "content": f"other words {number}"}]
        return await api.patch(example(number), json={"operations": operations}, headers={"If-Match": "*"})

    return {
        "dialog-svc": [
            lambda _: dialogs.get("/v1/dialogs", params={"agent_id": "shop", "limit": 20}),
            lambda number: dialogs.get(f"/v1/dialogs/d{number % len(examples)}"),
        ],
        "dataset-svc": [
            lambda _: api.get(f"/v1/datasets/{dataset}/examples", params={"limit": 20}),
            lambda number: api.get(example(number)),
            edit,
            lambda number: api.post(f"{example(number - 1)}/save"),
            lambda _: api.get(f"/v1/datasets/{dataset}/checks"),
        ],
    }


async def _paced(probes: list[Probe], going: Callable[[], bool]) -> list[float]:
    """Send requests in turn at RATE while `going`; milliseconds from when each was due."""
    taken: list[float] = []
    pending: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float) -> None:
        (await probes[number % len(probes)](number)).raise_for_status()
        taken.append((time.perf_counter() - due) * 1e3)

    began, number = time.perf_counter(), 0
    while going():
        due = began + number / RATE
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        task = asyncio.create_task(one(number, due))
        pending.add(task)
        task.add_done_callback(pending.discard)
        number += 1
    await asyncio.gather(*pending)
    return taken


async def _both(probes: dict[str, list[Probe]], going: Callable[[], bool]) -> dict[str, float]:
    """Both services at once; the p99 of each."""
    found = await asyncio.gather(*(_paced(one, going) for one in probes.values()))
    return {name: quantile(taken, 0.99) for name, taken in zip(probes, found, strict=True)}


async def _fill(surroundings: Surroundings, dataset: str, size: int) -> None:
    async with surroundings.databases.connection(surroundings.database) as connection:
        await connection.execute("SET search_path = dataset_svc")
        await connection.execute(FILL, dataset, size)


async def _check_and_freeze(surroundings: Surroundings, large: httpx.AsyncClient, dataset: str) -> None:
    async with surroundings.databases.connection(surroundings.database) as connection:
        began = time.perf_counter()

        async def checked() -> bool:
            return not await connection.fetchval(
                "SELECT EXISTS (SELECT FROM dataset_svc.check_queue WHERE tenant_id = 'large') OR EXISTS "
                "(SELECT FROM dataset_svc.example_signatures WHERE tenant_id = 'large' AND NOT is_grouped)"
            )

        await until(checked, 600)
        seconds = time.perf_counter() - began
    asked = time.perf_counter()
    answer = await large.post(f"/v1/datasets/{dataset}/versions", json={})
    answer.raise_for_status()
    print(f"checked and grouped in {seconds:.1f} s, freeze answered {answer.status_code} "
          f"after {time.perf_counter() - asked:.2f} s")  # fmt: skip

    async def ready() -> bool:
        version = (await large.get(f"/v1/datasets/{dataset}/versions/1")).json()
        return bool(version["state"] == "ready")

    await until(ready, 300)
    print(f"frozen after {time.perf_counter() - asked:.1f} s", flush=True)


async def _measure(size: int, seconds: float) -> dict[str, Any]:
    async with stage("load") as (_, surroundings):
        folder = surroundings.objects.parent
        async with issuer_of(folder) as issuer, _services(surroundings, issuer) as (dialog_svc, dataset_svc):
            await _seed(surroundings, 200)
            api, large = await dataset_svc.client("small"), await dataset_svc.client("large")
            dataset, large_dataset = await _dataset(api), await _dataset(large)
            examples = await _curate(api, dataset, 200)
            probes = _probes(await dialog_svc.client("small"), api, dataset, examples)
            until_then = time.monotonic() + 3
            await _both(probes, lambda: time.monotonic() < until_then)  # warm
            until_then = time.monotonic() + seconds
            idle = await _both(probes, lambda: time.monotonic() < until_then)
            await _fill(surroundings, large_dataset, size)
            work = asyncio.create_task(_check_and_freeze(surroundings, large, large_dataset))
            load = await _both(probes, lambda: not work.done())
            await work
            memory = psutil.Process(dataset_svc.process.pid).memory_info().rss if dataset_svc.process else 0
    ratios = {name: load[name] / idle[name] for name in idle}
    print({name: (round(idle[name], 1), round(load[name], 1)) for name in idle})
    return {
        "p99_ratio": round(max(ratios.values()), 2),
        **{f"{name.split('-')[0]}_idle_ms": round(idle[name], 1) for name in idle},
        **{f"{name.split('-')[0]}_load_ms": round(load[name], 1) for name in idle},
        "dataset_svc_rss_mb": round(memory / 2**20),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench load", description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    result(**asyncio.run(_measure(arguments.examples, arguments.seconds)))


if __name__ == "__main__":
    main()
