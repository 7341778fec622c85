"""From a commit in dialog-svc to the effect committed in dataset-svc, at half of the load that they bear.

Both moments are PostgreSQL's own commit timestamps.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from chassis.envelope import encode_headers, new_headers
from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from contracts.topics import message_key
from deploy.stack.services import Surroundings
from tests.bench._stage import producing, quantile, result, stage
from tests.harness import instance, now

LIGHT = 50  # dialogs a second
HOPS = """
    SELECT extract(epoch FROM pg_xact_commit_timestamp(c.xmin) - pg_xact_commit_timestamp(r.xmin)) * 1000
    FROM dialog_svc.revisions r JOIN dataset_svc.candidates c USING (tenant_id, dialog_id)
    WHERE dialog_id LIKE $1
"""


async def _end(producer: Any, dialog: str) -> None:
    message = ChatMessage(id="m0", role="user", content="Where is my order?", at=now())
    answer = ChatMessage(id="m1", role="assistant", content="On its way.", at=now())
    events = [
        MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live"),
        MessagePosted(dialog_id=dialog, agent_id="shop", message=answer, source="live"),
        DialogEnded(dialog_id=dialog, agent_id="shop", at=now()),
    ]
    for event in events:
        headers = encode_headers(new_headers(event, tenant="acme", source="/chat"))
        await producer.send("chat.events", event.body(), key=message_key("acme", dialog), headers=headers)


async def _arrived(surroundings: Surroundings, like: str, goal: int) -> float:
    async with surroundings.databases.connection(surroundings.database) as connection:
        while True:
            count = await connection.fetchval(
                "SELECT count(*) FROM dataset_svc.candidates WHERE dialog_id LIKE $1", like
            )
            if count >= goal:
                return time.monotonic()
            await asyncio.sleep(0.05)


async def _measure(burst: int, seconds: float) -> dict[str, Any]:
    async with stage("hop", postgres=("track_commit_timestamp = on",)) as (_, surroundings):
        running = [
            instance(surroundings, name, surroundings.objects.parent, log_level="warning")
            for name in ("dialog-svc", "dataset-svc")
        ]
        try:
            for one in running:
                one.start()
            await asyncio.gather(*(one.ready() for one in running))
            async with producing(surroundings) as producer:
                await _end(producer, "warm")
                await _arrived(surroundings, "warm", 1)
                began = time.monotonic()
                for number in range(burst):
                    await _end(producer, f"burst{number}")
                full = burst / (await _arrived(surroundings, "burst%", burst) - began)
                print(f"full load: {full:,.0f} dialogs/s", flush=True)
                light = await _paced(producer, LIGHT, seconds, "light")
                await _arrived(surroundings, "light%", light)
                count = await _paced(producer, full / 2, seconds, "half")
                await _arrived(surroundings, "half%", count)
            async with surroundings.databases.connection(surroundings.database) as connection:
                hops = [float(row[0]) for row in await connection.fetch(HOPS, "half%")]
                lone = [float(row[0]) for row in await connection.fetch(HOPS, "light%")]
        finally:
            for one in running:
                one.stop(9)
    return {
        "p50_ms": round(quantile(hops, 0.5), 1),
        "p99_ms": round(quantile(hops, 0.99), 1),
        "dialogs": len(hops),
        "half_load_per_s": round(full / 2),
        "light_p50_ms": round(quantile(lone, 0.5), 1),
        "light_p99_ms": round(quantile(lone, 0.99), 1),
        "light_load_per_s": LIGHT,
    }


async def _paced(producer: Any, rate: float, seconds: float, name: str) -> int:
    """End `rate` dialogs a second for so many seconds; returns how many."""
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while number < passed * rate:
            await _end(producer, f"{name}{number}")
            number += 1
        await asyncio.sleep(0.002)
    return number


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench hop", description=__doc__)
    parser.add_argument("--burst", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    result(**asyncio.run(_measure(arguments.burst, arguments.seconds)))


if __name__ == "__main__":
    main()
