"""Hints: stretches of one's own message that led the model to the right answer and must not be taught."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from dataset_svc.domain.message import Message, Span

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
MAX_PRODUCT = 4_000_000
"""Largest word diff (words × words) that is worked out; above it the hint is only looked for whole."""
Spans = tuple[Span, ...]


def carry_over(before: str, after: str, hint: Spans) -> Spans:
    """Return where the hint of `before` is left in `after`, by a word diff; blanks alone do not count."""
    if not hint or before == after:
        return hint
    blocks = _blocks(before, after)
    if blocks is None:
        return _whole(before, after, hint)
    left: list[Span] = []
    for old, new, size in blocks:
        for span in hint:
            low, high = max(span.start, old), min(span.end, old + size)
            if low < high:
                left.append(Span(low + new - old, high + new - old))
    return _joined(left, after)


def added(before: str, after: str) -> Spans:
    """Return the words of `after` that `before` has not, by a word diff.

    In texts too long for one it is what lies between their common beginning and end.
    """
    blocks = _blocks(before, after)
    if blocks is None:
        return _joined([_between(before, after)], after)
    found, at = [], 0
    for _, new, size in blocks:
        found.append(Span(at, new))
        at = new + size
    found.append(Span(at, len(after)))
    return _joined(found, after)


def overlap(one: Spans, other: Spans) -> Spans:
    """Return what lies in both."""
    found = (Span(max(a.start, b.start), min(a.end, b.end)) for a in one for b in other)
    return tuple(span for span in found if span.start < span.end)


def after_edit(first: str | None, before: str, after: str, hint: Spans) -> Spans:
    """Return the hint of one's own message after an edit: what is left of it, and what the edit added.

    `first` is the message as first sent: going back to its words is no hint. None where the
    message is not one's own; then an edit adds no hint.
    """
    left = carry_over(before, after, hint)
    if first is None:
        return left
    return _joined([*left, *overlap(added(before, after), added(first, after))], after)


def first_sent(message: Message) -> Message:
    """Return the message as first sent: without its hint, and without the blank that led to it."""
    if not message.hint:
        return message
    if isinstance(message.content, str):
        return replace(message, content=_without(message.content, message.hint), hint=())
    return replace(message, content=tuple(_parts_without(message)), hint=())


def _without(text: str, hint: Spans) -> str:
    kept, at = "", 0
    for span in _joined(list(hint), text):
        kept += text[at : span.start]
        at = span.end
        rest = text[at:]
        if kept[-1:].isspace() and (not rest or rest[0].isspace()):
            kept = kept[:-1]
        elif not kept and rest[:1].isspace():
            at += 1
    return kept + text[at:]


def _parts_without(message: Message) -> Iterator[Mapping[str, Any]]:
    at = 0
    for part in message.content or ():
        text = part.get("text") if isinstance(part, Mapping) else None
        if not isinstance(part, Mapping) or not isinstance(text, str):
            yield part  # type: ignore[misc]
            continue
        here = overlap(message.hint, (Span(at, at + len(text)),)) if text else ()
        yield {**part, "text": _without(text, tuple(Span(s.start - at, s.end - at) for s in here))}
        at += len(text)


def _blocks(before: str, after: str) -> list[tuple[int, int, int]] | None:
    """Return the stretches (place in before, place in after, length) that both share; None: too long."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(old) * len(new) > MAX_PRODUCT:
        return None
    old_at, new_at = _offsets(old), _offsets(new)
    matches = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return [
        (old_at[one.a], new_at[one.b], old_at[one.a + one.size] - old_at[one.a])
        for one in matches
        if one.size
    ]


def _between(before: str, after: str) -> Span:
    most = min(len(before), len(after))
    start = next((n for n in range(most) if before[n] != after[n]), most)
    end = next((n for n in range(most - start) if before[-1 - n] != after[-1 - n]), most - start)
    return Span(start, len(after) - end)


def _whole(before: str, after: str, hint: Spans) -> Spans:
    found = []
    for span in hint:
        text = before[span.start : span.end].strip()
        at = after.find(text) if text else -1
        if at >= 0:
            found.append(Span(at, at + len(text)))
    return _joined(found, after)


def _offsets(tokens: list[str]) -> list[int]:
    places = [0]
    for token in tokens:
        places.append(places[-1] + len(token))
    return places


def _joined(spans: list[Span], text: str) -> Spans:
    """Return the spans in order, as one where only blanks lie between them; blanks at their ends go."""
    joined: list[Span] = []
    for given in sorted(spans, key=lambda one: one.start):
        span = _trimmed(given, text)
        if span is None:
            continue
        if joined and not text[joined[-1].end : span.start].strip():
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def _trimmed(span: Span, text: str) -> Span | None:
    stretch = text[span.start : span.end]
    if not stretch.strip():
        return None
    start = span.start + len(stretch) - len(stretch.lstrip())
    return Span(start, start + len(stretch.strip()))
