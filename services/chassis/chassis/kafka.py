"""aiokafka clients with the settings that keep the delivery promise."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from chassis.kafka_security import follow, security
from chassis.kafka_settings import KafkaSettings
from chassis.settings import Settings
from contracts.access import consumer_group

SEND_DEADLINE = 15.0
ANSWER_DEADLINE = 5.0
MAX_REQUEST = 4 * 1_048_576


async def broker_answers(settings: Settings) -> bool:
    """Tell whether a fresh client gets the broker's metadata within 5 s."""
    client = AIOKafkaClient(**connection(settings))
    try:
        await asyncio.wait_for(client.bootstrap(), ANSWER_DEADLINE)
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), 2)
    return True


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of any client of this service: where the broker is, and who asks."""
    where = {"bootstrap_servers": settings.kafka_bootstrap, "client_id": settings.service}
    return where | security(settings)


def producer(settings: Settings, *, transactional_id: str | None = None) -> AIOKafkaProducer:
    """Return a producer, not started: idempotent, acknowledged by all replicas."""
    made = AIOKafkaProducer(
        **connection(settings),
        acks="all",
        enable_idempotence=True,
        transactional_id=transactional_id,
        transaction_timeout_ms=20_000,
        request_timeout_ms=10_000,
        max_request_size=MAX_REQUEST,
        linger_ms=0,
    )
    return follow(made, settings)


def group_consumer(settings: Settings, topic: str, listener: ConsumerRebalanceListener) -> AIOKafkaConsumer:
    """Return a member of this service's group, not started and subscribed to one topic."""
    consumer = AIOKafkaConsumer(
        **connection(settings),
        # one group a topic: a slow topic then never holds up the rebalance of another
        group_id=settings.topic_prefix + consumer_group(settings.service, topic),
        group_instance_id=f"{settings.instance}.{topic}" if settings.instance else None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=int(settings.session_timeout * 1000),
        heartbeat_interval_ms=int(settings.session_timeout * 1000 / 4),
        # without it a member with a long batch is evicted and the batch runs in two processes
        rebalance_timeout_ms=int(settings.rebalance_timeout * 1000),
        max_poll_interval_ms=300_000,
        request_timeout_ms=40_000,
        max_partition_fetch_bytes=MAX_REQUEST,
    )
    consumer.subscribe([settings.topic(topic)], listener=listener)
    return follow(consumer, settings)


def broadcast_consumer(settings: Settings, topic: str) -> AIOKafkaConsumer:
    """Return a reader without a group: it sees every partition of `topic` and commits nothing."""
    made = AIOKafkaConsumer(
        settings.topic(topic),
        **connection(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=MAX_REQUEST,
    )
    return follow(made, settings)
