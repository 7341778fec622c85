"""What one action changed in one example, so that it can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

DRAFT = "draft"
"""An entry that is not a column's value: before it the messages, after it the draft's revision."""
ORIGINAL = "original"
"""The original's messages, beside DRAFT where a change rewrote both."""


class Columns(Protocol):
    """A row of examples, of whatever driver."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column's value."""


@dataclass(frozen=True, slots=True)
class Change:
    """Columns that an action changed: their values before and after. Nothing changed: both empty."""

    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def changed(row: Columns, **after: Any) -> Change:
    """Return the change from a row's values to those given, without what stays the same."""
    news = {name: value for name, value in after.items() if row[name] != value}
    return Change({name: row[name] for name in news}, news)


def still_stands(row: Columns, after: Mapping[str, Any]) -> bool:
    """Whether nobody changed again what an action changed."""
    return all(
        row["draft_revision" if name == DRAFT else name] == value
        for name, value in after.items()
        if name != "saved_draft"  # moves with the working copy, which an undo leaves alone
    )
