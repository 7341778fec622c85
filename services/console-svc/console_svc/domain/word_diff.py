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
        matched = SequenceMatcher(None, old_words, new_words, autojunk=False)
        for op, a, b, c, d in matched.get_opcodes():
            if op == "equal":
                parts.append(Part("same", "".join(old_words[a:b])))
            else:
                parts += [Part("removed", "".join(old_words[a:b])), Part("added", "".join(new_words[c:d]))]
    parts.append(Part("same", before[len(before) - end :]))
    return _joined(parts)


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
