"""How dialogs look from outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dialog_svc.domain.dialog import leaf_of, path_to
from dialog_svc.domain.errors import no_branch
from dialog_svc.outbound.dialog_store import Row
from dialog_svc.outbound.transcripts import transcript_message
from dialog_svc.usecases.find_dialogs import Count
from dialog_svc.usecases.publish_dialog import nodes_of


def listed(row: Row, opening: str | None) -> dict[str, Any]:
    """Return a dialog as lists show it; `opening` is what the client said first, if that is still there."""
    return {
        **_head(row),
        "opening": opening,
        "open": row["open"],
        "models": row["models"],
        "has_functions": row["has_functions"],
        "in_dataset": row["in_dataset"],
    }


def whole(row: Row, messages: Sequence[Row], branch: str | None) -> dict[str, Any]:
    """Return a dialog with the messages of a branch: the active one, unless `branch` names another.

    The empty name is the first branch's. Raises a 404 Problem for a branch that is not there.
    """
    nodes = nodes_of(messages)
    leaf = row["leaf_id"] if branch is None else leaf_of(branch or None, nodes)
    if branch is not None and leaf is None:
        raise no_branch()
    by_id = {one["message_id"]: one for one in messages}
    return {
        **_head(row),
        "open": row["ended_at"] is None,
        "branch": row["branch"] if branch is None else branch or None,
        "branches": sorted({node.branch for node in nodes.values() if node.branch}),
        "messages": [
            transcript_message(by_id[node.id]).model_dump(mode="json", exclude_none=True)
            for node in (path_to(leaf, nodes) if leaf else ())
        ],
    }


def counted(counts: Sequence[Count]) -> dict[str, Any]:
    """Return the counts by filter and value; `more` says that there are more than were counted."""
    filters: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in counts:
        if one.field and (one.count or one.field in {"rating", "source", "has_functions", "in_dataset"}):
            filters[one.field].append({"value": one.value, "count": one.count, "more": one.more})
    total = counts[0]
    return {"count": total.count, "more": total.more, "filters": dict(filters)}


def by_model(rows: Sequence[Row]) -> dict[str, Any]:
    """Return good and bad ratings a model; null where an answer does not say which one gave it."""
    models: dict[str | None, dict[str, dict[str, int]]] = defaultdict(
        lambda: {"answers": {"good": 0, "bad": 0}, "dialogs": {"good": 0, "bad": 0}}
    )
    for row in rows:
        models[row["model"]][row["kind"]][row["rating"]] += row["count"]
    ordered = sorted(models.items(), key=lambda item: item[0] or "")
    return {"items": [{"model": model, **figures} for model, figures in ordered], "next_cursor": None}


def _head(row: Row) -> dict[str, Any]:
    return {
        "dialog_id": row["dialog_id"],
        "agent_id": row["agent_id"],
        "source": row["source"],
        "channel": row["channel"],
        "outcome": row["outcome"],
        "rating": row["rating"],
        "started_at": row["started_at"].isoformat(),
        "last_at": row["last_at"].isoformat(),
        "message_count": row["message_count"],
        "revision": row["revision"],
    }
