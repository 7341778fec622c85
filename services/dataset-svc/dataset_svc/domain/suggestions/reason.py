"""A reason to look at a dialog: its name, the messages that it is about, what it counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from dataset_svc.domain.message import Messages
from dataset_svc.domain.weights import Ratings

Name = Literal[
    "rated_bad",
    "operator_took_over",
    "edited_in_test_chat",
    "asked_for_human",
    "function_failed",
    "client_repeated",
]
POINTS: dict[Name, int] = {
    "rated_bad": 50,
    "operator_took_over": 40,
    "edited_in_test_chat": 40,
    "asked_for_human": 30,
    "function_failed": 25,
    "client_repeated": 20,
}
"""What people did or asked for comes first, then what functions say, then what is guessed from words."""
NAMES: tuple[Name, ...] = tuple(POINTS)
SHOWN = 20
"""Messages that a reason names at most."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a dialog is suggested, and by which messages: their ids, never their text."""

    name: Name
    message_ids: tuple[str, ...] = ()

    def stored(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"reason": self.name, "message_ids": list(self.message_ids[:SHOWN])}


@dataclass(frozen=True, slots=True)
class Said:
    """A branch of a dialog as of its newest revision; `newest`: the ratings of the whole dialog are of it."""

    messages: Messages
    ratings: Ratings
    source: str
    newest: bool = True


def score(reasons: Iterable[Reason]) -> int:
    """Return what a suggestion is ordered by: the points of its reasons."""
    return sum(POINTS[one.name] for one in reasons)
