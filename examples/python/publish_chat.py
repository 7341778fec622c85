"""Publish a dialog to `chat.events`, as a chat backend does that talks to its models itself.

One writer a dialog: its events share a key and are sent in order. Sending a message again, under the same id,
is harmless.

    KAFKA_BOOTSTRAP=127.0.0.1:19092 TENANT=acme python publish_chat.py dialog-1 shop
"""

import asyncio
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from urllib.parse import quote

from aiokafka import AIOKafkaProducer
from connection import kafka

SOURCE = "/my-chat-backend"
TOPIC = os.environ.get("TOPIC_PREFIX", "") + "chat.events"


def key(tenant: str, dialog_id: str) -> bytes:
    """The record key: tenant and dialog, each percent-encoded."""
    return f"{quote(tenant, safe='')}/{quote(dialog_id, safe='')}".encode()


def headers(kind: str, tenant: str) -> list[tuple[str, bytes]]:
    """CloudEvents in binary mode: what the event is goes into the headers, the body is plain JSON."""
    values = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_source": SOURCE,
        "ce_type": kind,
        "ce_time": now(),
        "ce_tenantid": tenant,
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in values.items()]


def now() -> str:
    """The time as the contract wants it: RFC 3339 with an offset."""
    return datetime.now(UTC).isoformat()


def message(dialog_id: str, agent_id: str, message_id: str, role: str, text: str) -> dict[str, object]:
    """The body of chat.message_posted.v1; add `replaces: <message id>` when an earlier message was edited."""
    return {
        "dialog_id": dialog_id,
        "agent_id": agent_id,
        "source": "live",
        "message": {
            "id": message_id,
            "role": role,
            "author": "client" if role == "user" else "model",
            "content": text,
            "at": now(),
        },
    }


async def main(dialog_id: str, agent_id: str) -> None:
    """Say something, and end the dialog."""
    tenant = os.environ["TENANT"]
    said = [
        ("chat.message_posted.v1", message(dialog_id, agent_id, "m1", "user", "Where is my order 4711?")),
        (
            "chat.message_posted.v1",
            message(dialog_id, agent_id, "m2", "assistant", "It arrives on Thursday."),
        ),
        (
            "chat.dialog_ended.v1",
            {"dialog_id": dialog_id, "agent_id": agent_id, "outcome": "solved", "at": now()},
        ),
    ]
    producer = AIOKafkaProducer(**kafka(), enable_idempotence=True, acks="all")
    await producer.start()
    try:
        for kind, body in said:
            await producer.send_and_wait(
                TOPIC, json.dumps(body).encode(), key=key(tenant, dialog_id), headers=headers(kind, tenant)
            )
    finally:
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
