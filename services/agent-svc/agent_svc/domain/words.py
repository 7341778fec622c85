"""Word by word: what differs between two texts, how much of it, and what one has added to the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_PARTS = (re.compile(r"[^\n]*\n|[^\n]+"), re.compile(r"[^.!?\n]*[.!?\n]+|[^.!?\n]+"))
"""Lines, then sentences."""
_WORD = re.compile(r"\w+")
MAX_PRODUCT = 4_000_000
"""Largest diff (words × words) that is worked out; above it lines and sentences are compared first."""

Op = Literal["same", "removed", "added"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that stayed, went or came."""

    op: Op
    text: str


class Span(NamedTuple):
    """A stretch of a text: code points, the end exclusive."""

    start: int
    end: int


def word_diff(before: str, after: str) -> list[Piece]:
    """Return how `before` became `after`: joined, same and removed are `before`."""
    pieces: list[Piece] = []
    for op, text in _pieces(_TOKEN.findall(before), _TOKEN.findall(after)):
        if text and pieces and pieces[-1].op == op:
            pieces[-1] = Piece(op, pieces[-1].text + text)
        elif text:
            pieces.append(Piece(op, text))
    return pieces


def changed_share(before: str, after: str) -> float:
    """Return which share (0 to 1) of the longer text's words has no counterpart in the other."""
    most = max(len(_WORD.findall(before)), len(_WORD.findall(after)))
    if before == after or not most:
        return 0.0
    kept = sum(len(_WORD.findall(one.text)) for one in word_diff(before, after) if one.op == "same")
    return round(1 - min(kept, most) / most, 4)


def added(before: str, after: str) -> tuple[Span, ...]:
    """Return where `after` has words that `before` has not; blanks alone don't count."""
    found, at = [], 0
    for piece in word_diff(before, after):
        if piece.op == "added":
            found.append(Span(at, at + len(piece.text)))
        if piece.op != "removed":
            at += len(piece.text)
    return joined(found, after)


def joined(spans: Sequence[Span], text: str) -> tuple[Span, ...]:
    """Return the spans in order, as one where only blanks lie between them; blanks at their ends go."""
    kept: list[Span] = []
    for given in sorted(spans):
        span = _trimmed(given, text)
        if span is None:
            continue
        if kept and not text[kept[-1].end : span.start].strip():
            kept[-1] = Span(kept[-1].start, max(kept[-1].end, span.end))
        else:
            kept.append(span)
    return tuple(kept)


def _trimmed(span: Span, text: str) -> Span | None:
    stretch = text[span.start : span.end]
    if not stretch.strip():
        return None
    start = span.start + len(stretch) - len(stretch.lstrip())
    return Span(start, start + len(stretch.strip()))


def _pieces(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Op, str]]:
    if len(old) * len(new) <= MAX_PRODUCT:  # as in dataset-svc's editor: the same edit has the same hint
        yield from _middle(old, new)
        return
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    tail = next((n for n in range(most - head) if old[-1 - n] != new[-1 - n]), most - head)
    yield "same", "".join(old[:head])
    yield from _middle(old[head : len(old) - tail], new[head : len(new) - tail])
    yield "same", "".join(old[len(old) - tail :])


def _middle(old: Sequence[str], new: Sequence[str], coarse: int = 0) -> Iterator[tuple[Op, str]]:
    """Compare words; where they are too many, ever finer parts, and the words of those that differ."""
    if len(old) * len(new) <= MAX_PRODUCT:
        yield from _compared(old, new)
        return
    before, after = "".join(old), "".join(new)
    if coarse == len(_PARTS):
        yield "removed", before
        yield "added", after
        return
    parts = _PARTS[coarse].findall(before), _PARTS[coarse].findall(after)
    if len(parts[0]) * len(parts[1]) > MAX_PRODUCT:
        yield from _middle(old, new, coarse + 1)
        return
    for op, a, b, c, d in SequenceMatcher(None, *parts, autojunk=False).get_opcodes():
        was, becomes = "".join(parts[0][a:b]), "".join(parts[1][c:d])
        if op == "equal":
            yield "same", was
        else:
            yield from _middle(_TOKEN.findall(was), _TOKEN.findall(becomes), coarse + 1)


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Op, str]]:
    for op, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            yield "same", "".join(old[a:b])
        else:
            yield "removed", "".join(old[a:b])
            yield "added", "".join(new[c:d])
