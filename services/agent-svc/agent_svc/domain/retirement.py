"""When a model's end is warned of: 60, 30, 7 and 1 days before, each once."""

from __future__ import annotations

from datetime import date

WARN_BEFORE = (1, 7, 30, 60)


def warning_due(ends_on: date, today: date) -> int | None:
    """Return which warning is due: the smallest of 60, 30, 7, 1 not less than the days left, else None.

    A model first seen ten days before its end is warned of as "30 days", and in three days as "7 days".
    """
    left = (ends_on - today).days
    if left <= 0:
        return None
    return next((days for days in WARN_BEFORE if left <= days), None)


def nearest(*ends: date | None) -> date | None:
    """Return the first of the days that are known."""
    return min((day for day in ends if day is not None), default=None)
