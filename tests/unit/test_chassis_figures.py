"""What metrics say before anything happened: alerts begin there."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any, cast

from prometheus_client import REGISTRY

from chassis.consumer import Consumer, ConsumerLoop
from chassis.health import Health
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
