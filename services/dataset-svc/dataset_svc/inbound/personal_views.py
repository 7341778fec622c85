"""What callers see of personal data. Only answers hold it: to those who may read the messages."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.message import load
from dataset_svc.domain.personal.places import CONTENT, Key, Place
from dataset_svc.domain.personal.rewriting import Plan, instead
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.pseudonymise_example import Preview


def allowed(row: Row) -> dict[str, Any]:
    """Return an allowed value."""
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "text": row["written"],
        "why": row["why"],
        "by": row["allowed_by"],
        "at": row["allowed_at"].isoformat(),
    }


def preview(row: Row, seen: Preview, spoken: str) -> dict[str, Any]:
    """Return each value once: its kind, and every place with the words there before and after.

    `refused` says which message's arguments would keep the fix from being done.
    """
    texts = {
        (one.id, field): text
        for one in load(row["draft"])
        for field, text in (
            (CONTENT, one.text()),
            *((f"tool_calls.{n}.function.arguments", call.arguments) for n, call in enumerate(one.calls)),
        )
    }
    values: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for place in seen.places:
        text = texts[place.message_id, place.field]
        values[place.found.key].append(_place(place, text, seen.plan))
    return {
        "example_id": str(row["id"]),
        "draft_revision": row["draft_revision"],
        "values": [
            {"kind": kind, "pseudonym": places[0]["after"], "places": places}
            for (kind, _), places in values.items()
        ],
        "refused": _refused(seen.refused, spoken) if seen.refused else None,
    }


def _refused(error: EditRefusedError, spoken: str) -> dict[str, Any]:
    return {
        "code": error.code,
        "detail": error.text.in_language(spoken),
        "message_id": error.message_id,
        "field": error.field,
    }


def _place(place: Place, text: str, planned: Plan | None) -> dict[str, Any]:
    return {
        "message_id": place.message_id,
        "field": place.field,
        "path": place.path,
        "start": place.start,
        "end": place.end,
        "before": text[place.start : place.end],
        "after": instead(text, place, planned) if planned else None,
    }
