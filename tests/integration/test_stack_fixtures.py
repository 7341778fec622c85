"""The fixtures themselves: a database and topics of one's own on shared servers."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.stack.databases import SCHEMAS
from deploy.stack.services import Surroundings


async def test_a_record_sent_comes_back(surroundings: Surroundings) -> None:
    topic = f"{surroundings.topic_prefix}chat.events"
    producer = AIOKafkaProducer(bootstrap_servers=surroundings.kafka_bootstrap, acks="all")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=surroundings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    async with producer, consumer:
        await producer.send_and_wait(topic, "ёж".encode(), key=b"t/d")
        record = await consumer.getone()
    assert (record.key, record.value.decode()) == (b"t/d", "ёж")


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_role_reaches_its_own_schema_only(surroundings: Surroundings, schema: str) -> None:
    databases = surroundings.databases
    async with databases.connection(surroundings.database) as admin:
        for other in SCHEMAS:
            await admin.execute(f"CREATE TABLE {other}.probe_of_grants (x int)")
            await admin.execute(f"GRANT SELECT ON {other}.probe_of_grants TO PUBLIC")
    for role in (schema, f"{schema}_http", f"{schema}_owner"):
        connection = await asyncpg.connect(databases.url(surroundings.database, role))
        try:
            await connection.fetch("SELECT * FROM probe_of_grants")
            for other in set(SCHEMAS) - {schema}:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT * FROM {other}.probe_of_grants")
        finally:
            await connection.close()


@pytest.mark.parametrize(
    ("role", "may_read", "may_write"),
    [
        ("agent_svc", True, True),
        ("agent_svc_http", True, True),
        ("training_svc", True, False),
        ("training_svc_http", False, False),
        ("dialog_svc", False, False),
        ("dataset_svc", False, False),
        ("dataset_svc_http", False, False),
    ],
)
async def test_the_vault_is_written_by_one_service_and_read_by_two(
    surroundings: Surroundings, role: str, *, may_read: bool, may_write: bool
) -> None:
    databases, database = surroundings.databases, surroundings.database
    owner = await asyncpg.connect(databases.url(database, "agent_svc_owner"))
    await owner.execute("CREATE TABLE vault.probe_of_grants (x int)")
    await owner.close()
    connection = await asyncpg.connect(databases.url(database, role))
    for allowed, statement in (
        (may_read, "SELECT * FROM vault.probe_of_grants"),
        (may_write, "INSERT INTO vault.probe_of_grants VALUES (1)"),
    ):
        if allowed:
            await connection.execute(statement)
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    await connection.close()


async def test_sessions_of_a_service_never_wait_for_ever(surroundings: Surroundings) -> None:
    connection = await asyncpg.connect(surroundings.databases.url(surroundings.database, "dialog_svc"))
    shown = [
        await connection.fetchval(f"SHOW {name}")
        for name in ("lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
    ]
    await connection.close()
    assert shown == ["5s", "10s", "30s"]
