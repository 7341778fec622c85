"""How the records of erasure look from outside: counts, ids and dates, never text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from contracts.topics import TOPICS, dead_letter_topics
from dialog_svc.domain.proof import expiries
from dialog_svc.outbound.dialog_store import Row

SEGMENT = timedelta(days=1)
"""How much longer than its retention a record may lie in a topic with text: its segment's time."""
KEPT = {
    name: timedelta(milliseconds=topic.retention_ms) + SEGMENT
    for name, topic in (TOPICS | dead_letter_topics()).items()
    if topic.carries_text
}


def listed(request: Row) -> dict[str, Any]:
    """Return a request as lists show it."""
    return {
        "id": str(request["id"]),
        "kind": request["kind"],
        "reason": request["reason"],
        "asked_by": request["asked_by"],
        "asked_at": request["asked_at"].isoformat(),
    }


def record(
    request: Row, summary: Row, erasures: Sequence[Row], reports: Sequence[Row], following: str | None
) -> dict[str, Any]:
    """Return the record of a request with a page of its dialogs.

    `state`: waiting (not erased here yet), spreading (others are at work), done.
    """
    by_erasure: dict[Any, list[Row]] = defaultdict(list)
    for row in reports:
        by_erasure[row["erasure_id"]].append(row)
    items = [_erasure(row, by_erasure[row["id"]]) for row in erasures]
    state = "waiting" if request["subject"] is not None else "done" if summary["open"] == 0 else "spreading"
    until = expiries(summary["newest"] or request["asked_at"], [summary["heard_at"]], KEPT)
    return {
        **listed(request),
        "state": state,
        "dialogs": summary["dialogs"],
        "logs": [{"topic": name, "expires_at": at.isoformat()} for name, at in sorted(until.items())],
        "last_copy_expires_at": max(until.values()).isoformat(),
        "items": items,
        "next_cursor": following,
    }


def _erasure(row: Row, reports: Sequence[Row]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "erased_at": row["erased_at"].isoformat(),
        "state": "done" if row["is_done"] else "spreading",
        "removed": row["removed"],
        "services": [
            {
                "service": one["service"],
                "state": one["state"],
                "at": one["at"].isoformat(),
                "removed": one["removed"],
                "held": one["held"],
            }
            for one in reports
        ],
        "last_copy_expires_at": max(expiries(row["erased_at"], [row["heard_at"]], KEPT).values()).isoformat(),
    }
