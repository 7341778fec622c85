"""What an owner asked of a run (cancel, pause, resume), and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

FINAL = frozenset({"ready", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class WishResult:
    """How the last wish ended: `done`, or `too_late` when the run had ended otherwise before."""

    asked: str
    outcome: str
    at: datetime


def is_met(asked: str, status: str) -> bool:
    """Tell whether a run in this status is what was asked for."""
    if asked == "resume":
        return status != "paused"
    return status == {"cancel": "cancelled", "pause": "paused"}[asked]


def after_look(
    asked: str | None, result: WishResult | None, status: str, now: datetime
) -> tuple[str | None, WishResult | None]:
    """Return what is still asked after one look at the job, and what became of the last wish.

    A wish stands until the provider shows that it agreed, or that the run has ended before.
    """
    if asked is None:
        return None, result
    if is_met(asked, status):
        return None, WishResult(asked, "done", now)
    if status in FINAL:
        return None, WishResult(asked, "too_late", now)
    return asked, result
