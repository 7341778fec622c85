"""Follow finished dialogs (`dialog.completed`) and training runs (`training.status`).

Events come at least once. A finished dialog is recognised by its id and revision; of a run only the newest
snapshot counts, by `ce_sequence`. Offsets are committed after an event was dealt with, never before.

    KAFKA_BOOTSTRAP=127.0.0.1:19092 TENANT=acme python subscribe.py
"""

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from connection import kafka

PREFIX = os.environ.get("TOPIC_PREFIX", "")
Event = tuple[str, int, dict[str, Any]]


def read(record: Any) -> tuple[str, Event] | None:
    """Return (tenant, (type, sequence, body)), or None for a record that is no event."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    try:
        body = json.loads(record.value)
    except (TypeError, ValueError):
        return None
    return headers.get("ce_tenantid", ""), (
        headers.get("ce_type", ""),
        int(headers.get("ce_sequence") or 0),
        body,
    )


class News:
    """What is new: older snapshots of a run, and revisions seen before, are left out."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def line(self, event: Event) -> str | None:
        """Return a line to print, or None for what is not new."""
        kind, sequence, body = event
        if kind == "training.status.v1":
            return self._once(f"run {body['run_id']}", sequence, f"run {body['run_id']} {body['status']}")
        if kind == "dialog.completed.v1":
            name, revision = f"dialog {body['dialog_id']}", body["revision"]
            return self._once(name, revision, f"{name} revision {revision}: {body['message_count']} messages")
        return None  # types and fields that this program does not know are no mistake

    def _once(self, name: str, number: int, line: str) -> str | None:
        if number <= self._newest.get(name, 0):
            return None
        self._newest[name] = number
        return line


async def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> None:
    """Print what happens, until interrupted."""
    consumer = AIOKafkaConsumer(
        PREFIX + "dialog.completed",
        PREFIX + "training.status",
        **kafka(),
        group_id=PREFIX + "my-subscriber",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",  # state topics are written in transactions
    )
    news = News()
    await consumer.start()
    try:
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    tenant, event = read(record) or ("", ("", 0, {}))
                    line = news.line(event) if tenant == os.environ["TENANT"] else None
                    if line:
                        say(line)
                await consumer.commit()
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main())
