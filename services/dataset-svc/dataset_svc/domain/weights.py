"""Which answers of an example teach: the defaults, and what the owner set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataset_svc.domain.message import Message, Messages

WHOLE_DIALOG = ""
RATERS = ("owner", "operator", "client")
"""Whose rating counts, the first that rated."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the editor's head says: "teaches 2 of 6 answers"."""

    teaches: int
    answers: int


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings of a dialog: message id ("" for the dialog) → rater → good|bad."""

    of: Mapping[str, Mapping[str, str]]

    def is_bad(self, message_id: str = WHOLE_DIALOG) -> bool:
        """Whether the dialog, or one answer of it, was rated bad by the one whose rating counts."""
        found = self.of.get(message_id, {})
        return next((found[rater] for rater in RATERS if rater in found), "") == "bad"


def weights(messages: Messages, original: Messages, ratings: Ratings) -> dict[str, int]:
    """Return 0 or 1 for the id of each answer.

    A weight set by hand counts. Otherwise an edited or inserted answer teaches, an operator's does
    not, and the model's does unless the dialog or that very answer was rated bad.
    """
    first = {one.id: one for one in original}
    return {one.id: _weight(one, first.get(one.id), ratings) for one in messages if one.is_answer}


def _weight(answer: Message, first: Message | None, ratings: Ratings) -> int:
    if answer.weight is not None:
        return answer.weight
    if first is None or not answer.says_the_same(first):
        return 1
    if answer.author in {"operator", "automation"}:
        return 0
    return int(not ratings.of or not (ratings.is_bad() or ratings.is_bad(answer.id)))


def head(found: Mapping[str, int]) -> Head:
    """Return how many of the answers teach."""
    return Head(sum(found.values()), len(found))
