"""Hints: stretches of one's own message that led the model to the right answer and must not be taught."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from dataset_svc.domain.message import Span

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
MAX_PRODUCT = 4_000_000
"""Largest word diff (words × words) that is worked out; above it the hint is only looked for whole."""


def carry_over(before: str, after: str, hint: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return where the hint of `before` is left in `after`, by a word diff; blanks alone do not count."""
    if not hint or before == after:
        return hint
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(old) * len(new) > MAX_PRODUCT:
        return _whole(before, after, hint)
    old_at, new_at = _offsets(old), _offsets(new)
    left: list[Span] = []
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        if not block.size:
            continue
        shift = new_at[block.b] - old_at[block.a]
        start, end = old_at[block.a], old_at[block.a + block.size]
        for span in hint:
            low, high = max(span.start, start), min(span.end, end)
            if low < high and after[low + shift : high + shift].strip():
                left.append(Span(low + shift, high + shift))
    return _joined(left)


def _whole(before: str, after: str, hint: tuple[Span, ...]) -> tuple[Span, ...]:
    found = []
    for span in hint:
        text = before[span.start : span.end].strip()
        at = after.find(text) if text else -1
        if at >= 0:
            found.append(Span(at, at + len(text)))
    return _joined(found)


def _offsets(tokens: list[str]) -> list[int]:
    places = [0]
    for token in tokens:
        places.append(places[-1] + len(token))
    return places


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)
