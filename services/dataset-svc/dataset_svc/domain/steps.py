"""Undo and redo of a working copy: which change each of them takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["change", "undo", "redo"]


@dataclass(frozen=True, slots=True)
class Step:
    """A change of the working copy; `known`: whether what was before it is still known."""

    revision: int
    kind: Kind
    known: bool


def to_undo(steps: Sequence[Step]) -> Step | None:
    """Return the step that undo takes back, of the steps newest first; None when there is none.

    An undo does not count, and neither does the step that it took back.
    """
    undone = 0
    for step in steps:
        if step.kind == "undo":
            undone += 1
        elif undone:
            undone -= 1
        else:
            return step if step.known else None
    return None


def to_redo(steps: Sequence[Step]) -> Step | None:
    """Return the undo that redo takes back; a change since leaves nothing to be done again."""
    redone = 0
    for step in steps:
        if step.kind == "redo":
            redone += 1
        elif step.kind == "change":
            return None
        elif redone:
            redone -= 1
        else:
            return step if step.known else None
    return None
