"""What a detector finds: a stretch of a text, what kind of data it is, and the value in one spelling."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["card", "snils", "inn", "passport", "iban", "email", "phone", "name"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The more specific first: it wins where two finds are of one length."""
RANK = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Found:
    """Personal data in a text: code points `start` to `end`, the end exclusive.

    `value` is the same for all spellings of one value (E.164, lower case, digits), so that it gets one
    pseudonym. It is kept out of every repr, which ends up in logs and tracebacks. "" means that it
    looks like personal data and is known to be none: nothing else is found in it.
    """

    start: int
    end: int
    kind: Kind
    value: str = field(repr=False)

    @property
    def key(self) -> tuple[Kind, str]:
        """What tells values apart."""
        return self.kind, self.value


def without_overlaps(found: list[Found]) -> list[Found]:
    """Return the finds in order; of those that overlap the longest, then the most specific one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start - one.end, RANK[one.kind], one.start)):
        place = bisect(kept, one.start, key=_start)
        after = kept[place] if place < len(kept) else None
        if (not place or kept[place - 1].end <= one.start) and (after is None or one.end <= after.start):
            kept.insert(place, one)
    return kept


def _start(found: Found) -> int:
    return found.start
