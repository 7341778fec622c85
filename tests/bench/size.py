"""Bytes that real dialogs take: rows with their indexes in PostgreSQL, records in Kafka.

The shared dialogs where they are, else the demo's, some copies of each, are published, completed, listed and
indexed; a part is put into the dataset, saved. What a table has for each thing that it holds, with
TOAST and indexes, after VACUUM.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from chassis.envelope import encode_headers, new_headers
from contracts.topics import message_key
from deploy.demo.backend import SOURCE, events_of
from deploy.demo.dialogs import Dialog, load
from deploy.stack.kafka import Kafka
from deploy.stack.services import Surroundings
from deploy.stack.settings import ROOT, from_environment
from tests.bench._stage import issuer_of, producing, result, stage
from tests.harness import instance, now, until
from tests.shared_data import SHARED

KINDS = {
    "dialog": ("dialog_svc", ("dialogs", "revisions", "ratings", "members", "listings")),
    "message": ("dialog_svc", ("messages",)),
    "search": ("dialog_svc", ("search_documents", "vocabulary")),
    "inbox": ("dialog_svc", ("inbox",)),
    "outbox": ("dialog_svc", ("published", "outbox_keys")),
    "candidate": ("dataset_svc", ("candidates", "ratings", "inbox")),
    "example": (
        "dataset_svc",
        (
            "examples",
            "example_revisions",
            "example_checks",
            "example_signatures",
            "findings",
            "corrected_answers",
        ),
    ),
}
"""Tables by what their size is told of."""
SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ ('^(' || $2 || ')(_[0-9]+|_other)*$')
"""


async def _publish(surroundings: Surroundings, dialogs: list[Dialog], copies: int) -> int:
    """Publish every dialog `copies` times; returns how many events."""
    count = 0
    async with producing(surroundings) as producer:
        for copy in range(copies):
            for dialog in dialogs:
                renamed = dialog.model_copy(update={"dialog_id": f"{dialog.dialog_id}-{copy}"})
                for event in events_of(renamed, now()):
                    headers = encode_headers(new_headers(event, tenant="acme", source=SOURCE))
                    key = message_key("acme", event.key())
                    await producer.send("chat.events", event.body(), key=key, headers=headers)
                    count += 1
    return count


async def _count(surroundings: Surroundings, table: str) -> int:
    async with surroundings.databases.connection(surroundings.database) as admin:
        return int(await admin.fetchval(f"SELECT count(*) FROM {table}"))


async def _reach(surroundings: Surroundings, table: str, goal: int) -> None:
    async def there() -> bool:
        return await _count(surroundings, table) >= goal

    await until(there, 300, f"{goal} rows of {table}")


async def _curate(dataset: Any, dialogs: list[str]) -> None:
    """Put dialogs into their datasets and save them."""
    api = await dataset.client("acme")
    for one in dialogs:
        agent, dialog = one.split("\n")
        (found,) = (await api.get("/v1/datasets", params={"agent_id": agent})).json()["items"]
        opened = await api.post(
            f"/v1/datasets/{found['id']}/examples", json={"dialog_id": dialog, "revision": 1}
        )
        saved = await api.post(f"/v1/examples/{opened.json()['id']}/save")
        assert saved.status_code in (200, 201), saved.text


def _logs(kafka: Path) -> dict[str, int]:
    return {
        topic: sum(path.stat().st_size for path in kafka.glob(f"{topic}-*/*.log"))
        for topic in ("chat.events", "dialog.completed", "dataset.changed")
    }


async def _sizes(surroundings: Surroundings, kafka: Path, counts: dict[str, int]) -> dict[str, Any]:
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("VACUUM ANALYZE")
        rows = {
            kind: int(await admin.fetchval(SIZE, schema, "|".join(tables)))
            for kind, (schema, tables) in KINDS.items()
        }
    logs = _logs(kafka)
    per = {"message": "messages", "inbox": "events", "outbox": "dialogs", "example": "examples"}
    return {
        "counts": counts,
        "postgres_bytes": {
            kind: round(total / counts[per.get(kind, "dialogs")])
            for kind, total in rows.items()
            if kind != "version"
        },
        "kafka_bytes_per_dialog": {
            topic: round(total / counts["examples" if topic == "dataset.changed" else "dialogs"])
            for topic, total in logs.items()
        },
    }


async def _measure(path: Path, copies: int, examples: int) -> dict[str, Any]:
    dialogs = load(path)
    async with stage("size") as (servers, surroundings), issuer_of(surroundings.objects.parent) as issuer:
        settings = {"issuer": issuer, "jwks_url": f"{issuer}/.well-known/jwks.json", "log_level": "warning"}
        running = [
            instance(surroundings, name, surroundings.objects.parent, **settings)
            for name in ("dialog-svc", "dataset-svc")
        ]
        try:
            for one in running:
                one.start()
            await asyncio.gather(*(one.ready() for one in running))
            events = await _publish(surroundings, dialogs, copies)
            total = len(dialogs) * copies
            for table in ("dataset_svc.candidates", "dialog_svc.search_documents"):
                await _reach(surroundings, table, total)
            chosen = [f"{one.agent_id}\n{one.dialog_id}-0" for one in dialogs[:examples]]
            await _curate(running[1], chosen)
            await _reach(surroundings, "dataset_svc.example_signatures", len(chosen))
            counts = {
                "dialogs": total,
                "messages": await _count(surroundings, "dialog_svc.messages"),
                "events": events,
                "examples": len(chosen),
            }
            assert isinstance(servers.kafka, Kafka), "only a broker of our own shows its disk"
            found = await _sizes(surroundings, servers.kafka._data / "log", counts)
        finally:
            for one in running:
                for client in one.clients.values():
                    await client.aclose()
                one.stop(9)
    return {"of": path.name, **found}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench size", description=__doc__)
    parser.add_argument(
        "--dialogs", type=Path, default=SHARED if SHARED.exists() else ROOT / "deploy/demo/dialogs.jsonl"
    )
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--examples", type=int, default=500)
    arguments = parser.parse_args()
    from_environment().run.mkdir(parents=True, exist_ok=True)
    result(**asyncio.run(_measure(arguments.dialogs, arguments.copies, arguments.examples)))


if __name__ == "__main__":
    main()
