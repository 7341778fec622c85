"""Stretches of a text: hints and personal data, counted in code points, cut into pieces to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a text, the end exclusive."""

    start: int
    end: int


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text, and what it is part of."""

    text: str
    hint: bool = False
    personal: bool = False


def spans_of(data: Iterable[Any] | None) -> Spans:
    """Return the spans of their JSON form."""
    return tuple(sorted(Span(one["start"], one["end"]) for one in data or ()))


def cut(text: str, hint: Spans = (), personal: Spans = ()) -> list[Piece]:
    """Return the text in pieces, cut wherever a stretch begins or ends."""
    edges = {0, len(text)}
    for span in (*hint, *personal):
        edges |= {min(max(edge, 0), len(text)) for edge in (span.start, span.end)}
    places = sorted(edges)
    return [
        Piece(text[start:end], _holds(hint, start, end), _holds(personal, start, end))
        for start, end in pairwise(places)
    ]


def within(spans: Spans, start: int, end: int) -> Spans:
    """Return what of the spans lies in a part of the text, counted from the part's beginning."""
    found = (Span(max(one.start, start) - start, min(one.end, end) - start) for one in spans)
    return tuple(one for one in found if one.start < one.end)


def widened(spans: Spans, more: Span) -> Spans:
    """Return the spans with one more; those that touch become one."""
    joined: list[Span] = []
    for span in sorted([*spans, more]):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def narrowed(spans: Spans, less: Span) -> Spans:
    """Return the spans without a stretch."""
    left = [
        piece
        for one in spans
        for piece in (
            Span(one.start, min(one.end, less.start)),
            Span(max(one.start, less.end), one.end),
        )
    ]
    return tuple(sorted({one for one in left if one.start < one.end}))


def _holds(spans: Sequence[Span], start: int, end: int) -> bool:
    return any(span.start <= start and end <= span.end for span in spans)
