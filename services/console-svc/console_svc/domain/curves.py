"""The curves of a run: loss and accuracy by step, thinned to what a picture can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOSS = ("train_loss", "valid_loss", "full_valid_loss")
ACCURACY = ("train_accuracy", "valid_accuracy", "full_valid_accuracy")
MOST = 400
"""Steps that a picture has room for."""
TOLD = 8
"""Steps that the table beside it tells."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure; None where it was not measured."""

    name: str
    values: tuple[float | None, ...]

    @property
    def first(self) -> float:
        """Return the first value that was measured."""
        return next(one for one in self.values if one is not None)

    @property
    def last(self) -> float:
        """Return the last value that was measured."""
        return next(one for one in reversed(self.values) if one is not None)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same steps."""

    steps: tuple[int, ...]
    lines: tuple[Line, ...]

    def data(self) -> dict[str, Any]:
        """Return what the script draws."""
        lines = [{"name": one.name, "values": one.values} for one in self.lines]
        return {"steps": self.steps, "lines": lines}

    def told(self) -> list[tuple[int, tuple[float | None, ...]]]:
        """Return some steps with their values, from the first to the last, for those who read."""
        places = sorted({round(at * (len(self.steps) - 1) / (TOLD - 1)) for at in range(TOLD)})
        return [(self.steps[at], tuple(line.values[at] for line in self.lines)) for at in places]


def chart(items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Chart | None:
    """Return the chart of these figures; None when none of them was measured."""
    known = [name for name in names if any(one.get(name) is not None for one in items)]
    measured = [one for one in items if any(one.get(name) is not None for name in known)]
    if not measured:
        return None
    kept = thin(measured, known)
    lines = tuple(Line(name, tuple(one.get(name) for one in kept)) for name in known)
    return Chart(tuple(one["step"] for one in kept), lines)


def thin(items: Sequence[Mapping[str, Any]], rare: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return every so manieth step, the last one always, and each at which what is rarely measured was."""
    if len(items) <= MOST:
        return list(items)
    every = -(-len(items) // MOST)
    seldom = [name for name in rare if sum(one.get(name) is not None for one in items) <= MOST // 4]
    last = len(items) - 1
    return [
        one
        for place, one in enumerate(items)
        if place % every == 0 or place == last or any(one.get(name) is not None for name in seldom)
    ]
