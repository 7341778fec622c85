"""Into dialog-svc against a bare aiokafka + asyncpg batch loop, and against FastStream's batch subscriber.

All on the same broker, the same topic and the same table, one after the other, in rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis.envelope import encode_headers, new_headers
from contracts.chat import ChatMessage, MessagePosted
from contracts.topics import message_key
from deploy.stack.services import Surroundings
from tests.bench._stage import producing, quantile, result, stage
from tests.harness import ROOT, free_port, now

DIALOGS = 2_000
TEXT = "Здравствуйте! Where is my order, please? " * 5


async def _fill(surroundings: Surroundings, messages: int) -> None:
    async with producing(surroundings) as producer:
        for number in range(messages):
            dialog = f"d{number % DIALOGS}"
            message = ChatMessage(id=f"m{number}", role="user", content=TEXT, at=now())
            event = MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live")
            await producer.send(
                "chat.events",
                event.body(),
                key=message_key("acme", dialog),
                headers=encode_headers(new_headers(event, tenant="acme", source="/chat")),
            )


async def _empty(connection: asyncpg.Connection) -> None:
    await connection.execute("TRUNCATE dialog_svc.messages, dialog_svc.dialogs CASCADE")


def _command(side: str, surroundings: Surroundings, group: str) -> tuple[list[str], dict[str, str]]:
    environment = surroundings.environment(
        "dialog-svc", http_port=free_port(), ops_port=free_port(), instance=""
    )
    environment |= {"MORTARBOARD_PARTS": "consumers", "MORTARBOARD_LOG_LEVEL": "warning", "GROUP": group}
    if side == "dialog-svc":
        return [sys.executable, "-P", "-m", "dialog_svc"], environment
    return [sys.executable, "-m", "tests.bench._bare", side], environment


async def _rate(side: str, surroundings: Surroundings, round_number: int, messages: int) -> float:
    """Messages a second from a tenth of them to all of them, by the rows in the table."""
    async with surroundings.databases.connection(surroundings.database) as connection:
        await _empty(connection)
        if side == "dialog-svc":
            await _forget_offsets(surroundings)
        command, environment = _command(side, surroundings, f"{side}-{round_number}")
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment}, cwd=ROOT)
        try:
            began: tuple[float, int] | None = None
            while True:
                count = int(await connection.fetchval("SELECT count(*) FROM dialog_svc.messages"))
                if began is None and count >= messages // 10:
                    began = (time.monotonic(), count)
                if count >= messages:
                    break
                await asyncio.sleep(0.1)
            assert began is not None
            return (count - began[1]) / (time.monotonic() - began[0])
        finally:
            process.kill()
            await process.wait()


async def _forget_offsets(surroundings: Surroundings) -> None:
    """Let dialog-svc begin at the beginning again."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=surroundings.kafka_bootstrap,
        group_id="dialog-svc.chat.events",
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign([TopicPartition("chat.events", number) for number in range(6)])
    for attempt in range(60):
        try:
            await consumer.commit({TopicPartition("chat.events", number): 0 for number in range(6)})
            break
        except Exception:  # the killed member is still in the group until its session ends
            if attempt == 59:
                raise
            await asyncio.sleep(0.5)
    await consumer.stop()


async def _measure(messages: int, rounds: int) -> dict[str, Any]:
    rates: dict[str, list[float]] = {}
    async with stage("intake") as (_, surroundings):
        print(f"publishing {messages} messages to {DIALOGS} dialogs …", flush=True)
        await _fill(surroundings, messages)
        for round_number in range(rounds):
            for side in ("bare", "dialog-svc", "faststream"):
                rate = await _rate(side, surroundings, round_number, messages)
                rates.setdefault(side, []).append(rate)
                print(f"round {round_number + 1}: {side:10} {rate:10,.0f} messages/s", flush=True)
    middle = {side: quantile(values, 0.5) for side, values in rates.items()}
    return {
        "ratio": round(middle["dialog-svc"] / middle["bare"], 2),
        "faststream_ratio": round(middle["faststream"] / middle["bare"], 2),
        "messages_per_s": {side: round(rate) for side, rate in middle.items()},
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench intake", description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    result(**asyncio.run(_measure(arguments.messages, arguments.rounds)))


if __name__ == "__main__":
    main()
