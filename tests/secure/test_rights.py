"""What a broker with rights lets each of our users do, asked of the broker itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_plus

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from chassis.kafka_settings import KafkaSettings, kafka_from
from chassis.kafka_watch import in_words, knock
from contracts.access import SERVICES, STRANGERS, access
from deploy.ctl import wire
from deploy.stack.broker import reached
from deploy.stack.certificates import Authority
from deploy.stack.services import Surroundings
from deploy.stack.topics import admin

USERS = (*SERVICES, *STRANGERS)


def may(user: str, operation: str, prefix: str) -> set[str]:
    return {
        right.name
        for right in access(prefix)[user]
        if right.resource == "topic" and operation in right.operations
    }


async def writes(surroundings: Surroundings, user: str, topic: str, **settings: Any) -> None:
    producer = AIOKafkaProducer(**reached(surroundings.broker(user)), **settings)
    await producer.start()
    try:
        if settings.get("transactional_id"):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"{}", key=b"k")
        else:
            await producer.send_and_wait(topic, b"{}", key=b"k")
    finally:
        await producer.stop()


async def reads(surroundings: Surroundings, user: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(**reached(surroundings.broker(user)), auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    async with consumer:
        await consumer.getmany(timeout_ms=300)


async def refused(
    attempt: Callable[..., Awaitable[None]], kind: type[Exception], *given: Any, **named: Any
) -> None:
    with pytest.raises(kind):
        await attempt(*given, **named)


@pytest.mark.parametrize("user", USERS)
async def test_a_user_sees_reads_and_writes_its_own_topics_only(
    surroundings: Surroundings, user: str
) -> None:
    prefix = surroundings.topic_prefix
    readable, writable = may(user, "Read", prefix), may(user, "Write", prefix)
    async with admin(surroundings.broker(user)) as client:
        assert {name for name in await client.list_topics() if name.startswith(prefix)} == (
            readable | writable
        )
    for topic in sorted(readable | writable):
        if topic in readable:
            await reads(surroundings, user, topic)
        else:
            await refused(reads, TopicAuthorizationFailedError, surroundings, user, topic)
        if topic in writable:
            await writes(surroundings, user, topic, enable_idempotence=True)
        else:
            await refused(writes, TopicAuthorizationFailedError, surroundings, user, topic)


async def test_a_topic_that_is_not_its_own_is_refused_by_name(surroundings: Surroundings) -> None:
    prefix = surroundings.topic_prefix
    for user, topic in (("dialog-svc", "agent.routed"), ("console-svc", "chat.events")):
        await refused(writes, TopicAuthorizationFailedError, surroundings, user, prefix + topic)
    await refused(
        reads,
        TopicAuthorizationFailedError,
        surroundings,
        "dialog-svc",
        f"{prefix}chat.events.dialog-svc.dlt",
    )


async def test_groups_and_transactions_of_others_are_refused(surroundings: Surroundings) -> None:
    prefix = surroundings.topic_prefix
    own = f"{prefix}training-svc-relay-compacted"
    status = f"{prefix}training.status"
    await writes(surroundings, "training-svc", status, transactional_id=own)
    await refused(
        writes, TransactionalIdAuthorizationFailed, surroundings, "agent-svc", f"{prefix}agent.routed",
        transactional_id=own,
    )  # fmt: skip
    consumer = AIOKafkaConsumer(
        status,
        **reached(surroundings.broker("agent-svc")),
        group_id=f"{prefix}dataset-svc.training.status",
    )
    with pytest.raises(GroupAuthorizationFailedError):
        async with consumer:
            await consumer.getmany(timeout_ms=5000)


async def test_a_service_makes_no_topics_and_gives_no_rights(surroundings: Surroundings) -> None:
    async with admin(surroundings.broker("agent-svc")) as client:
        answer = (await client.create_topics([NewTopic("mine", 1, 1)])).to_object()
        assert answer["topic_errors"][0]["error_code"]
        with pytest.raises(wire.RefusedError, match="may not do that"):
            await wire.add_acls(
                client, [wire.Acl("User:agent-svc", "topic", "chat.events", "literal", "Read")]
            )
        with pytest.raises(wire.RefusedError, match="may not do that"):
            await wire.set_passwords(client, "SCRAM-SHA-512", {"dialog-svc": "mine now"})


async def test_plain_text_is_refused(surroundings: Surroundings) -> None:
    plain = kafka_from({"MORTARBOARD_KAFKA_BOOTSTRAP": surroundings.kafka_bootstrap})
    assert await said(plain), "no answer without TLS"
    url = surroundings.databases.url(surroundings.database, "dialog_svc")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(url.replace("sslmode=verify-full", "sslmode=disable"))


async def test_a_server_of_another_authority_is_refused(surroundings: Surroundings, tmp_path: Any) -> None:
    other = Authority(tmp_path / "other")
    assert surroundings.secure
    environment = surroundings.secure.kafka_environment("dialog-svc")
    environment["MORTARBOARD_KAFKA_BOOTSTRAP"] = surroundings.kafka_bootstrap
    assert not await said(kafka_from(environment))
    wrong = kafka_from(environment | {"MORTARBOARD_KAFKA_CA_FILE": str(other.certificate)})
    assert "its certificate is not trusted" in await said(wrong)
    assert "MORTARBOARD_KAFKA_CA_FILE" in await said(wrong)
    url = surroundings.databases.url(surroundings.database, "dialog_svc")
    await (await asyncpg.connect(url)).close()
    with pytest.raises(OSError, match="certificate verify failed"):
        await asyncpg.connect(
            url.replace(quote_plus(str(surroundings.secure.ca)), quote_plus(str(other.certificate)))
        )


async def said(kafka: KafkaSettings) -> str:
    """Why the broker does not let these settings in; empty when it does."""
    error = await knock(kafka)
    assert error is None or isinstance(error, KafkaError | OSError)
    return in_words(error) if error else ""
