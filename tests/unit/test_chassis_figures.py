"""What metrics say before anything happened: alerts begin there."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import REGISTRY

from chassis.consumer import Consumer, ConsumerLoop, began
from chassis.health import Health
from chassis.observability import provider_call
from chassis.settings import Settings


def test_counters_of_a_consumer_begin_at_zero_so_that_the_first_one_is_an_increase() -> None:
    topic = "dialog.forgotten"
    needed = {"database_url": "x", "database_http_url": "x", "objects_url": "memory:///", "dev": True}
    settings = Settings.model_validate(needed)
    unused = cast(Any, None)
    ConsumerLoop(settings, unused, Health(), unused, Consumer.of(topic, {}))
    for name in ("mortarboard_dead_letters_total", "mortarboard_batch_retries_total"):
        assert REGISTRY.get_sample_value(name, {"topic": topic}) == 0
    for result in ("taken", "repeated", "dead", "forgotten"):
        told = {"topic": topic, "result": result}
        assert REGISTRY.get_sample_value("mortarboard_consumed_total", told) == 0


def test_a_process_that_never_asks_kafka_does_not_say_that_it_is_refused() -> None:
    code = (
        "import dialog_svc.app; from prometheus_client import REGISTRY;"
        "print(REGISTRY.get_sample_value('mortarboard_kafka_up'))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert math.isnan(float(said.stdout))


def test_a_hop_begins_where_the_broker_took_it_if_the_topic_says_so_else_where_it_was_written() -> None:
    written, taken = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 15, tzinfo=UTC)
    late = cast(Any, SimpleNamespace(time=written, appended=taken))
    later = cast(Any, SimpleNamespace(time=written + timedelta(hours=5), appended=taken + timedelta(hours=5)))
    assert began("chat.events", [later, late]) == taken
    assert began("dialog.completed", [later, late]) == written


async def test_a_call_that_we_give_up_is_not_held_against_the_provider() -> None:
    async def call() -> None:
        with provider_call("some", "chat", lambda _: "unavailable"):
            await asyncio.sleep(60)

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for outcome, times in (("given_up", 1), ("unavailable", None)):
        told = {"provider": "some", "operation": "chat", "outcome": outcome}
        assert REGISTRY.get_sample_value("mortarboard_provider_calls_total", told) == times
