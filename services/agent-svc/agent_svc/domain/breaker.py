"""Counts a target's failures in a row: past the limit the fallback stands in for it."""

from __future__ import annotations

from collections.abc import Hashable


class Breaker:
    """Counts failures in a row; an answer, or `window` seconds without a failure, ends a row."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._rows: dict[Hashable, tuple[int, float]] = {}

    def failed(self, target: Hashable, at: float) -> bool:
        """Count a failure at `at` (seconds of any steady clock); returns whether the limit is reached."""
        count, last = self._rows.get(target, (0, at))
        count = 1 if at - last > self._window else count + 1
        if count >= self._limit:
            self._rows.pop(target, None)
            return True
        self._rows[target] = (count, at)
        return False

    def answered(self, target: Hashable) -> None:
        """End the row."""
        if self._rows:
            self._rows.pop(target, None)
