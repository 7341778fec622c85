"""Follow `agent.routed` and ask the provider oneself: for a backend that does not go through the gateway.

The topic is compacted: its last record for each agent says what serves it. Every instance reads all of it,
without a consumer group, and again from the beginning after a restart.

    export PROVIDERS='{"openai": {"base_url": "https://…/v1", "api_key": "sk-…"}}'
    KAFKA_BOOTSTRAP=127.0.0.1:19092 TENANT=acme python routes.py shop dialog-1 "Where is my order?"
"""

import asyncio
import hashlib
import json
import os
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer
from connection import kafka
from openai import APIConnectionError, APIStatusError, AsyncOpenAI

TOPIC = os.environ.get("TOPIC_PREFIX", "") + "agent.routed"


def choose(agent_id: str, dialog_id: str, shares: list[float]) -> int:
    """Which target serves a dialog: the same one in every program (contracts/examples/share_vectors.json)."""
    digest = hashlib.sha256(f"{agent_id}|{dialog_id}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    upto = 0.0
    for index, share in enumerate(shares):
        upto += share
        if point < upto:
            return index
    return len(shares) - 1


class Routes:
    """What serves each agent of one tenant."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._routes: dict[str, dict[str, Any]] = {}
        self._newest: dict[str, int] = {}

    def take(self, record: Any) -> None:
        """Take a record in; one of another tenant, or older than what is known, changes nothing."""
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        if headers.get("ce_tenantid") != self._tenant or record.value is None:
            return
        body = json.loads(record.value)
        sequence = int(headers.get("ce_sequence") or 0)
        if sequence > self._newest.get(body["agent_id"], 0):
            self._newest[body["agent_id"]] = sequence
            self._routes[body["agent_id"]] = body

    def targets(self, agent_id: str, dialog_id: str) -> list[dict[str, Any]]:
        """Whom to ask for a dialog, and whom next when that fails; empty: the agent's base model."""
        effective = self._routes.get(agent_id, {}).get("effective")
        if not effective:
            return []
        chosen = effective["targets"][
            choose(agent_id, dialog_id, [one["share"] for one in effective["targets"]])
        ]
        return [chosen, *([effective["fallback"]] if effective["fallback"] else [])]


async def read_all(routes: Routes) -> None:
    """Read the topic to its present end. A backend goes on reading; this program needs no more."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        **kafka(),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    routes.take(record)
    finally:
        await consumer.stop()


async def ask(targets: list[dict[str, Any]], text: str) -> tuple[str, str]:
    """Ask the first target that answers: (model, answer). After which failures to go on is up to you."""
    providers = json.loads(os.environ["PROVIDERS"])
    error: Exception = LookupError("no route: ask the agent's base model")
    for target in targets:
        client = AsyncOpenAI(**providers[target["provider"]], max_retries=0)
        try:
            answer = await client.chat.completions.create(
                model=target["model"], messages=[{"role": "user", "content": text}]
            )
        except (APIConnectionError, APIStatusError) as failed:
            error = failed
        else:
            return target["model"], answer.choices[0].message.content or ""
        finally:
            await client.close()
    raise error


async def main(agent_id: str, dialog_id: str, text: str) -> None:
    """Ask what serves a dialog."""
    routes = Routes(os.environ["TENANT"])
    await read_all(routes)
    model, answer = await ask(routes.targets(agent_id, dialog_id), text)
    print(f"{model}: {answer}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
