"""When the last copy of what was erased expires in the logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

STRAGGLERS = timedelta(hours=1)
"""How much later than the erasure a copy that was on its way may have reached a topic."""


def expiries(
    erased_at: datetime, heard: Iterable[datetime | None], kept: Mapping[str, timedelta]
) -> dict[str, datetime]:
    """Return when each topic lets the youngest copy go.

    `heard`: when events of the dialog came after its erasure and were dropped: their copies are as young.
    `kept`: how long each topic keeps a record at most.
    """
    youngest = max([erased_at, *(at for at in heard if at is not None)]) + STRAGGLERS
    return {topic: youngest + longest for topic, longest in kept.items()}
