"""A working copy as the editor shows it: each message with its margin, and beside it what it was at first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console_svc.domain.contents import kinds_of, plain, texts_of
from console_svc.domain.reading import laid_out
from console_svc.domain.spans import Piece, Spans, cut, spans_of, within
from console_svc.domain.word_diff import Part, differences

Message = Mapping[str, Any]
PERSONAL = "personal_data"


@dataclass(frozen=True, slots=True)
class Words:
    """A text of a message: to be typed into, in pieces to be shown, and how it differs from the first."""

    raw: str
    pieces: list[Piece]
    changed: list[Part]
    """Empty where nothing was changed."""


@dataclass(frozen=True, slots=True)
class Called:
    """A function call; `arguments` laid out if they are JSON."""

    id: str
    number: int
    name: str
    arguments: str
    changed: list[Part]
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A message of the copy, or (`deleted`) one of the original that the copy no longer has."""

    id: str
    role: str
    author: str
    at: str
    model: str
    words: list[Words]
    other_parts: list[str]
    calls: list[Called]
    answers: str
    """The function whose answer this is, or nothing."""
    inserted: bool = False
    edited: bool = False
    deleted: bool = False
    loses_hint: bool = False
    """Whether going back to what was first sent takes the hint away; else its words are the client's own."""
    teaches: bool | None = None
    hints: list[str] = field(default_factory=list)
    margin: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of its text."""
        return "".join(one.raw for one in self.words)


def rows(example: Mapping[str, Any]) -> list[Row]:
    """Return the messages in order, those that were deleted at their place."""
    margins = by_message(example["findings"])
    now, first = example["messages"], {one["id"]: one for one in example.get("original", ())}
    names, answered = _names(now), {one.get("tool_call_id") for one in now}
    return [
        _row(one, first.get(one["id"]), margins[one["id"]], names, answered)
        if is_there
        else _gone(one, names)
        for one, is_there in _merged(now, example.get("original", ()))
    ]


def by_message(findings: Sequence[Mapping[str, Any]]) -> dict[str | None, list[Mapping[str, Any]]]:
    """Return the findings of each message, and under None those of the whole."""
    found: dict[str | None, list[Mapping[str, Any]]] = defaultdict(list)
    for one in findings:
        found[one["message_id"]].append(one)
    return found


def _merged(now: Sequence[Message], original: Sequence[Message]) -> Iterator[tuple[Message, bool]]:
    """Yield the copy's messages (True), and those that it lacks (False) after what they followed."""
    present = {one["id"] for one in now}
    places = {one["id"]: place for place, one in enumerate(original)}
    told = 0
    for one in now:
        if (place := places.get(one["id"])) is not None:
            yield from ((gone, False) for gone in original[told:place] if gone["id"] not in present)
            told = max(told, place + 1)
        yield one, True
    yield from ((gone, False) for gone in original[told:] if gone["id"] not in present)


def _row(
    one: Message, first: Message | None, margin: list[Mapping[str, Any]], names: Mapping[str, str],
    answered: set[Any],
) -> Row:  # fmt: skip
    hint = spans_of(one.get("hint"))
    personal = tuple(
        span
        for found in margin
        if found["code"] == PERSONAL and found["field"] == "content"
        for span in spans_of(found["facts"]["spans"])
    )
    whole = "".join(texts_of(one.get("content")))
    return Row(
        one["id"], one["role"], one.get("author") or "", one.get("at") or "", one.get("model") or "",
        _words(one, first, hint, personal), kinds_of(one.get("content")), _calls(one, first, answered),
        names.get(one.get("tool_call_id") or "", one.get("tool_call_id") or ""),
        inserted=one["inserted"], edited=one["edited"],
        loses_hint=one["edited"] or bool((first or {}).get("hint")),
        teaches=bool(one["weight"]) if one["role"] == "assistant" else None,
        hints=[whole[span.start : span.end] for span in hint], margin=margin,
    )  # fmt: skip


def _gone(one: Message, names: Mapping[str, str]) -> Row:
    words = [Words(text, cut(text), [Part("removed", text)]) for text in texts_of(one.get("content")) if text]
    calls = [
        Called(called.id, called.number, called.name, called.arguments, [Part("removed", called.arguments)],
               is_answered=True)
        for called in _calls(one, None, set())
    ]  # fmt: skip
    return Row(
        one["id"], one["role"], one.get("author") or "", one.get("at") or "", one.get("model") or "", words,
        kinds_of(one.get("content")), calls, names.get(one.get("tool_call_id") or "", ""), deleted=True,
    )  # fmt: skip


def _words(one: Message, first: Message | None, hint: Spans, personal: Spans) -> list[Words]:
    before = texts_of(first.get("content")) if first is not None else None
    found, at = [], 0
    for number, text in enumerate(texts_of(one.get("content"))):
        here = (within(spans, at, at + len(text)) for spans in (hint, personal))
        changed = []
        if before is not None and number < len(before) and before[number] != text:
            changed = differences(before[number], text)
        found.append(Words(plain(text), cut(text, *here), changed))
        at += len(text)
    return found


def _calls(one: Message, first: Message | None, answered: set[Any]) -> list[Called]:
    before = {call["id"]: call["function"]["arguments"] for call in (first or {}).get("tool_calls") or ()}
    found = []
    for number, call in enumerate(one.get("tool_calls") or ()):
        arguments = call["function"]["arguments"]
        shown, old = laid_out(arguments), before.get(call["id"], arguments)
        changed = differences(laid_out(old), shown) if old != arguments else []
        found.append(
            Called(call["id"], number, call["function"]["name"], shown, changed, call["id"] in answered)
        )
    return found


def _names(messages: Sequence[Message]) -> dict[str, str]:
    return {call["id"]: call["function"]["name"] for one in messages for call in one.get("tool_calls") or ()}
