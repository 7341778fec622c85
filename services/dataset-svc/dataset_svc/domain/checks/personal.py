"""The check for personal data: one finding for each field of a message that holds some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from itertools import groupby
from typing import Any

from dataset_svc.domain.checks.finding import Finding
from dataset_svc.domain.line import taught_part
from dataset_svc.domain.message import Messages, Span
from dataset_svc.domain.personal.places import Key, Place, places

CODE = "personal_data"
MAX_SPANS = 100
"""Spans that one finding names; `kinds` counts all of them."""


def personal_findings(messages: Messages, allowed: Set[Key] = frozenset()) -> Iterator[Finding]:
    """Yield what the line would hold of personal data but for the values that the tenant allows."""
    for message in taught_part(messages):
        found = [one for one in places(message) if one.found.key not in allowed]
        for field, group in groupby(found, key=lambda one: one.field):
            yield _finding(message.id, field, list(group))


def _finding(message_id: str, field: str, found: list[Place]) -> Finding:
    kinds = Counter(one.found.kind for one in found)
    facts = {
        "kinds": dict(kinds),
        "spans": [_span(one) for one in found[:MAX_SPANS]],
    }
    return Finding(CODE, message_id, field, Span(found[0].start, found[0].end), facts)


def _span(place: Place) -> dict[str, Any]:
    span: dict[str, Any] = {"kind": place.found.kind, "start": place.start, "end": place.end}
    return span if place.path is None else span | {"path": place.path}
