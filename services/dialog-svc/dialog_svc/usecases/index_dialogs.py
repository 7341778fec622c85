"""List changed dialogs as they are now, and add what was said to the search documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from chassis.database import Connection
from dialog_svc.domain.search import texts_of, words_of
from dialog_svc.outbound import index_store as store
from dialog_svc.outbound.dialog_store import Row

BATCH = 200
MESSAGES = 500  # of a dialog in one turn


async def index_dialogs(connection: Connection) -> bool:
    """Index up to `BATCH` dialogs, those that wait longest; returns whether there may be more.

    Intake is never waited for: a dialog that changes meanwhile is indexed again at the next turn. So is
    one with `MESSAGES` or more new messages, from where this turn leaves off.
    """
    await store.lock_index(connection)
    dialogs = await store.unlisted_dialogs(connection, BATCH)
    if not dialogs:
        return False
    said: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in await store.new_messages(connection, dialogs, MESSAGES):
        said[row["tenant_id"], row["dialog_id"]].append(row)
    entries = [_entry(one, said[one["tenant_id"], one["dialog_id"]]) for one in dialogs]
    await store.add_documents(connection, entries)
    await store.upsert_listings(connection, entries)
    await store.add_values(connection, entries)
    whole = [one for one in dialogs if len(said[one["tenant_id"], one["dialog_id"]]) < MESSAGES]
    await store.mark_listed(connection, whole)
    return len(dialogs) == BATCH or len(whole) < len(dialogs)


def _entry(dialog: Row, rows: Sequence[Row]) -> dict[str, Any]:
    messages = [row["message"] for row in rows]
    return {
        "tenant_id": dialog["tenant_id"],
        "dialog_id": dialog["dialog_id"],
        "shelf": dialog["shelf"],
        "words": " ".join(words_of(text for message in messages for text in texts_of(message))),
        "models": sorted({message["model"] for message in messages if message.get("model")}),
        "has_functions": any(message.get("tool_calls") for message in messages),
        "indexed_to": max((row["position"] + 1 for row in rows), default=dialog["indexed_to"]),
    }
