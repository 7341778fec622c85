"""A password file that is away, or empty, while a process runs: it goes on, and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from chassis.broadcast import Broadcast, BroadcastLoop
from chassis.consumer import Consumer, ConsumerLoop
from chassis.health import Health
from chassis.kafka_watch import KafkaWatch
from chassis.service import Loop
from chassis.settings import Settings
from tests.harness import until

UNUSED = cast(Any, None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    password = tmp_path / "kafka-password"
    password.write_text("secret")
    needed = {"database_url": "x", "database_http_url": "x", "objects_url": "memory:///", "dev": True}
    sasl = {"kafka_security": "SASL_PLAINTEXT", "kafka_username": "me", "kafka_password_file": password}
    return Settings.model_validate(needed | sasl | {"kafka_bootstrap": "127.0.0.1:9"})


def loops(settings: Settings, health: Health) -> list[Loop]:
    broadcast = Broadcast("agent.routed", frozenset(), lambda _: None)
    return [
        KafkaWatch(settings, health),
        BroadcastLoop(settings, health, broadcast),
        ConsumerLoop(settings, UNUSED, health, UNUSED, Consumer.of("chat.events", {})),
    ]


@pytest.mark.parametrize("state", ["away", "empty"])
@pytest.mark.parametrize("number", range(3))
async def test_no_loop_dies_of_a_password_that_cannot_be_read(
    settings: Settings, number: int, state: str
) -> None:
    assert settings.kafka_password_file
    settings.kafka_password_file.unlink() if state == "away" else settings.kafka_password_file.write_text("")
    loop = loops(settings, Health())[number]
    with capture_logs() as logs:
        task = asyncio.create_task(loop.run())

        async def told() -> bool:
            if task.done():
                task.result()
            return bool(logs)

        await until(told, 20)
        loop.stop()
        await asyncio.wait_for(task, 20)
    (said,) = {one["event"] for one in logs}
    assert said == ("kafka_not_reached", "broadcast_restarts", "consumer_restarts")[number]
    if number == 0:
        assert "kafka-password cannot be read" in logs[0]["reason"]
