"""The other sides of the intake benchmark: `python -m tests.bench._bare bare|faststream`.

Both write the messages into dialog-svc's own table with one statement a batch, and promise less:
no order, no branches, no dead letters, no completion.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import asyncpg
import orjson

INSERT = """
    INSERT INTO dialog_svc.messages (tenant_id, dialog_id, message_id, position, role, message, shelf)
    SELECT 'acme', a, b, c, d, e::jsonb, s.shelf
    FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[]) AS u (a, b, c, d, e),
         (SELECT max(shelf) AS shelf FROM dialog_svc.shelves WHERE kept = 365 AND month <= now()) s
    ON CONFLICT DO NOTHING
"""
BATCH = 1_000


async def _insert(pool: asyncpg.Pool, rows: list[tuple[str, dict[str, Any]]]) -> None:
    await pool.execute(
        INSERT,
        [dialog for dialog, _ in rows],
        [message["id"] for _, message in rows],
        [int(message["id"][1:]) for _, message in rows],
        [message["role"] for _, message in rows],
        [orjson.dumps(message).decode() for _, message in rows],
    )


async def bare() -> None:
    """aiokafka, orjson and asyncpg, and nothing else."""
    from aiokafka import AIOKafkaConsumer

    pool = await asyncpg.create_pool(os.environ["MORTARBOARD_DATABASE_URL"], min_size=1, max_size=1)
    consumer = AIOKafkaConsumer(
        "chat.events",
        bootstrap_servers=os.environ["MORTARBOARD_KAFKA_BOOTSTRAP"],
        group_id=os.environ["GROUP"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    while True:
        found = await consumer.getmany(timeout_ms=500, max_records=BATCH)
        bodies = [orjson.loads(record.value) for records in found.values() for record in records]
        if bodies:
            await _insert(pool, [(body["dialog_id"], body["message"]) for body in bodies])
            await consumer.commit()


async def faststream() -> None:
    """FastStream's batch subscriber with pydantic models, acknowledged after the statement."""
    from faststream import AckPolicy, FastStream
    from faststream.kafka import KafkaBroker

    from contracts.chat import MessagePosted

    pool = await asyncpg.create_pool(os.environ["MORTARBOARD_DATABASE_URL"], min_size=1, max_size=1)
    broker = KafkaBroker(os.environ["MORTARBOARD_KAFKA_BOOTSTRAP"], logger=None)

    async def decoder(message: Any) -> list[bytes]:
        return list(message.body)

    @broker.subscriber(
        "chat.events",
        group_id=os.environ["GROUP"],
        batch=True,
        max_records=BATCH,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=decoder,
        no_reply=True,
    )
    async def take(bodies: list[bytes]) -> None:
        events = [MessagePosted.from_body(body) for body in bodies]
        rows = [
            (event.dialog_id, event.message.model_dump(mode="json", exclude_none=True)) for event in events
        ]
        await _insert(pool, rows)

    await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    import uvloop

    uvloop.run({"bare": bare, "faststream": faststream}[sys.argv[1]]())
