"""Where personal data stands in messages: content, function arguments, what functions answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dataset_svc.domain.message import Message
from dataset_svc.domain.personal.detect import detect, may_hold, worth_a_look
from dataset_svc.domain.personal.found import Found, Kind
from dataset_svc.domain.personal.json_text import Leaf, is_structured, leaves, place_in

CONTENT = "content"
Key = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A find in a message's field: `start` and `end` count code points of the field's whole text.

    Of content in parts that is the text parts joined, of JSON the text with its brackets; `path` says which
    value of the JSON it is, and `leaf` what the value's text is.
    """

    message_id: str
    field: str
    start: int
    end: int
    found: Found
    path: str | None = None
    leaf: Leaf | None = None


def places(message: Message) -> Iterator[Place]:
    """Yield what a message holds, field by field, in order."""
    if isinstance(message.content, str):
        yield from _of_text(message.id, CONTENT, message.content)
    else:
        offset = 0
        for part in message.content or ():
            text = str(part.get("text") or "")
            for found in detect(text):
                yield Place(message.id, CONTENT, offset + found.start, offset + found.end, found)
            offset += len(text)
    for number, call in enumerate(message.calls):
        yield from _of_text(message.id, f"tool_calls.{number}.function.arguments", call.arguments)


def _of_text(message_id: str, field: str, text: str) -> Iterator[Place]:
    if not may_hold(text):
        return
    if not is_structured(text):
        for found in detect(text):
            yield Place(message_id, field, found.start, found.end, found)
        return
    for leaf in leaves(text, worth_a_look):
        for found in detect(leaf.text, leaf.key):
            start, end = place_in(text, leaf, found.start, found.end)
            yield Place(message_id, field, start, end, found, leaf.path, leaf)


def allowed_values(prompt: str, tools: str | None, listed: Iterable[Sequence[str]]) -> frozenset[Key]:
    """Return what is no finding: the agent's own values, and those listed as (kind, value)."""
    return own_values(prompt, tools or "[]") | {(kind, value) for kind, value in listed}  # type: ignore[misc]


@lru_cache(maxsize=64)
def own_values(prompt: str, tools: str) -> frozenset[Key]:
    """Return what stands in an agent's prompt or functions (JSON): no finding in a dialog."""
    setting = Message("", "system", prompt), Message("", "system", tools)
    return frozenset(place.found.key for one in setting for place in places(one))
