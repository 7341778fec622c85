"""How one text became another, word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
MOST_WORK = 250_000
"""Largest diff (words times words) that is worked out; of longer texts what differs is shown whole."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the two texts together."""

    op: Literal["same", "removed", "added"]
    text: str


def differences(before: str, after: str) -> list[Part]:
    """Return what stayed, what went and what came, in order."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    old_words, new_words = _TOKEN.findall(old), _TOKEN.findall(new)
    parts = [Part("same", before[:start])]
    if len(old_words) * len(new_words) > MOST_WORK:
        parts += [Part("removed", old), Part("added", new)]
    else:
        parts += _worded(old_words, new_words)
    parts.append(Part("same", before[len(before) - end :]))
    return _joined(parts)


def _worded(old: list[str], new: list[str]) -> list[Part]:
    """Return the parts of two lists of words; a blank alone between changes belongs to what changed."""
    parts: list[Part] = []
    removed, added = "", ""
    for op, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        before, after = "".join(old[a:b]), "".join(new[c:d])
        if op == "equal" and not (before.isspace() and removed and added):
            parts += [Part("removed", removed), Part("added", added), Part("same", before)]
            removed, added = "", ""
        else:
            removed, added = removed + before, added + after
    return [*parts, Part("removed", removed), Part("added", added)]


def _common(one: str, other: str) -> int:
    """Return how far both begin alike, back to where a word begins, so that no word is cut."""
    most = min(len(one), len(other))
    at = next((n for n in range(most) if one[n] != other[n]), most)
    if at == len(one) == len(other):
        return at
    while at and (one[at - 1].isalnum() or one[at - 1] == "_"):
        at -= 1
    return at


def _joined(parts: list[Part]) -> list[Part]:
    joined: list[Part] = []
    for part in parts:
        if not part.text:
            continue
        if joined and joined[-1].op == part.op:
            joined[-1] = Part(part.op, joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined
