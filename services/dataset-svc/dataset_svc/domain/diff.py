"""What differs between two revisions of an example, message by message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COMPARED = ("role", "content", "tool_calls", "tool_call_id", "name", "weight", "hint")


def message_changes(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return messages that were removed, added or edited, with the fields and both forms."""
    old = {one["id"]: one for one in before}
    new = {one["id"]: one for one in after}
    changes: list[dict[str, Any]] = [
        {"message_id": name, "change": "removed", "fields": [], "before": one, "after": None}
        for name, one in old.items()
        if name not in new
    ]
    for name, one in new.items():
        if name not in old:
            changes.append(
                {"message_id": name, "change": "added", "fields": [], "before": None, "after": one}
            )
            continue
        fields = [field for field in COMPARED if old[name].get(field) != one.get(field)]
        if fields:
            changes.append(
                {"message_id": name, "change": "edited", "fields": fields, "before": old[name], "after": one}
            )
    return changes
