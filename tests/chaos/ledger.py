"""What is asked of the services after a load: nothing lost, doubled, stuck or out of order."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from contracts.topics import TOPICS, dead_letter_topics
from deploy.stack.services import Surroundings
from tests.chaos.load import Ledger
from tests.harness import records

FAULTS = ("lost", "stuck", "double", "disorder", "stale_compacted")


async def fetch(surroundings: Surroundings, sql: str) -> list[Any]:
    async with surroundings.databases.connection(surroundings.database) as connection:
        return list(await connection.fetch(sql))


async def drained(surroundings: Surroundings, ledger: Ledger) -> bool:
    """Everything that was published has arrived, and every outbox is empty."""
    (counts,) = await fetch(
        surroundings,
        """
        SELECT (SELECT count(*) FROM dialog_svc.messages) AS messages,
               (SELECT count(*) FROM dataset_svc.candidates) AS candidates,
               (SELECT count(*) FROM dataset_svc.ratings) AS ratings,
               (SELECT count(*) FROM dialog_svc.outbox) + (SELECT count(*) FROM dataset_svc.outbox) AS waiting
        """,
    )
    dialogs = len(ledger.dialogs)
    return bool(
        (counts["messages"], counts["candidates"], counts["ratings"], counts["waiting"])
        == (ledger.messages, dialogs, 2 * dialogs, 0)
    )


async def check(surroundings: Surroundings, ledger: Ledger) -> dict[str, Any]:
    """Counts of what went wrong: lost, stuck, double, disorder, stale_compacted; with what there was."""
    stored: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in await fetch(
        surroundings, "SELECT * FROM dialog_svc.messages ORDER BY tenant_id, dialog_id, position"
    ):
        stored[row["tenant_id"], row["dialog_id"]].append(row["message_id"])
    lost = sum(len(set(ids) - set(stored[slot])) for slot, ids in ledger.dialogs.items())
    disorder = sum(stored[slot] != ids for slot, ids in ledger.dialogs.items())
    completed = await records(surroundings, "dialog.completed")
    double, wrong = _effects(completed, ledger)
    disorder += _out_of_order(completed)
    candidates = await fetch(
        surroundings, "SELECT tenant_id, dialog_id, message_count FROM dataset_svc.candidates"
    )
    lost += sum(
        row["message_count"] != len(ledger.dialogs[row["tenant_id"], row["dialog_id"]]) for row in candidates
    )
    changed = await records(surroundings, "dataset.changed")
    double += _wrong_states(changed, ledger)
    letters = sum([len(await records(surroundings, name)) for name in dead_letter_topics()])
    stale = 0
    for topic in TOPICS.values():
        if topic.compacted:
            stale += _stale(await records(surroundings, topic.name))
    return {
        "events": ledger.events,
        "dialogs": len(ledger.dialogs),
        "messages": ledger.messages,
        "completed": len(completed),
        "examples": len(ledger.saved),
        "lost": lost + wrong,
        "stuck": letters,
        "double": double,
        "disorder": disorder,
        "stale_compacted": stale,
    }


def _effects(completed: list[Any], ledger: Ledger) -> tuple[int, int]:
    """(double, missing): each dialog has one completion and two ratings, whatever was redelivered."""
    effects: dict[tuple[bytes, str], set[bytes]] = defaultdict(set)
    for record in completed:
        headers = dict(record.headers)
        effects[record.key, headers["ce_type"].decode()].add(headers["ce_id"])
    expected = {"dialog.completed.v1": 1, "dialog.rated.v1": 2}
    double = sum(max(len(ids) - expected[kind], 0) for (_, kind), ids in effects.items())
    found = Counter(kind for _, kind in effects)
    missing = sum(len(ledger.dialogs) - found[kind] for kind in expected)
    return double, missing


def _out_of_order(found: list[Any]) -> int:
    """Keys whose events first appear in another order than that of their sequence."""
    last: dict[bytes, int] = defaultdict(int)
    wrong = 0
    for record in found:
        sequence = int(dict(record.headers)["ce_sequence"])
        wrong += sequence > last[record.key] + 1
        last[record.key] = max(last[record.key], sequence)
    return wrong


def _wrong_states(changed: list[Any], ledger: Ledger) -> int:
    """Dialogs whose newest state is not the one their owner left them in, or told more than once."""
    states: dict[bytes, dict[bytes, str]] = defaultdict(dict)
    for record in changed:
        states[record.key][dict(record.headers)["ce_id"]] = json.loads(record.value)["state"]
    wrong = abs(len(states) - len(ledger.saved))
    for (tenant, dialog), state in ledger.saved.items():
        told = list(states[f"{tenant}/{dialog}".encode()].values())
        wrong += not told or told[-1] != state
    return wrong


def _stale(found: list[Any]) -> int:
    """Keys of a compacted topic whose last record has not the highest sequence."""
    highest: dict[bytes, int] = defaultdict(int)
    newest: dict[bytes, int] = {}
    for record in found:
        sequence = int(dict(record.headers)["ce_sequence"])
        highest[record.key] = max(highest[record.key], sequence)
        newest[record.key] = sequence
    return sum(newest[key] != highest[key] for key in newest)
