"""A test chat as one sees it: of the tree of messages, what each column shows, and what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console_svc.domain.reading import laid_out

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one's own message; `is_hint`: it only helps the model to the right answer."""

    text: str
    is_hint: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function that the model wants called, and whether its answer is still to be filled in."""

    name: str
    arguments: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A message with its place among those beside it: the `number`th of `beside`, from 1."""

    id: str
    role: str
    status: str
    pieces: tuple[Piece, ...]
    calls: tuple[Call, ...]
    answers: str
    """Of a function's answer, the function's name."""
    model: str
    error: Mapping[str, Any] | None
    number: int
    beside: int
    earlier: str
    later: str
    """Which messages one steps to, round and round."""


@dataclass(frozen=True, slots=True)
class Column:
    """What one model was asked and said, after what both columns share."""

    number: int
    use: str
    model: str
    branch: str | None
    """As dialog-svc names it; None while nothing was said."""
    leaf: str
    messages: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class ChatView:
    """A test chat; with one column, all messages are the column's."""

    shared: tuple[Said, ...]
    columns: tuple[Column, ...]
    asking: bool


def seen(chat: Mapping[str, Any]) -> ChatView:
    """Return what a page shows of a test chat, as agent-svc tells it."""
    known = {one["message_id"]: one for one in chat["messages"]}
    waiting = {one["tool_call_id"] for one in chat["open_calls"]}
    paths = [_path(known, one["message_id"]) for one in chat["columns"]]
    most = _shared(paths) if len(paths) > 1 else 0
    shown = [_said(one, known, waiting) for one in paths[0][:most]]
    columns = [
        Column(
            one["column"], one["use"], one["model"] or "", one["branch"], _last_said(path),
            tuple(_said(message, known, waiting) for message in path[most:]),
        )
        for one, path in zip(chat["columns"], paths, strict=True)
    ]  # fmt: skip
    asking = any(message["status"] == "asking" for path in paths for message in path)
    return ChatView(tuple(shown), tuple(columns), asking)


def pieces(content: str, hint: Sequence[Mapping[str, int]]) -> tuple[Piece, ...]:
    """Return a message cut where its hint begins and ends; both count code points."""
    found, at = [], 0
    for span in sorted(hint, key=lambda one: one["start"]):
        found += [
            Piece(content[at : span["start"]]),
            Piece(content[span["start"] : span["end"]], is_hint=True),
        ]
        at = span["end"]
    return tuple(one for one in [*found, Piece(content[at:])] if one.text)


def title_of(text: str, most: int = 60) -> str:
    """Return a title for a chat that begins with these words."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _path(known: Mapping[str, Message], leaf: str | None) -> list[Message]:
    found = []
    while leaf is not None:
        found.append(known[leaf])
        leaf = known[leaf]["parent_id"]
    return found[::-1]


def _shared(paths: Sequence[Sequence[Message]]) -> int:
    both = zip(*paths, strict=False)
    return next(
        (number for number, (a, b) in enumerate(both) if a["message_id"] != b["message_id"]),
        min(map(len, paths)),
    )


def _last_said(path: Sequence[Message]) -> str:
    said = (one["message_id"] for one in reversed(path) if one["status"] in {"said", "answered"})
    return next(said, "")


def _said(one: Message, known: Mapping[str, Message], waiting: set[str]) -> Said:
    beside = [
        each["message_id"]
        for each in known.values()
        if each["parent_id"] == one["parent_id"] and each["column"] == one["column"]
    ]
    at = beside.index(one["message_id"])
    calls = [
        Call(call["function"]["name"], laid_out(call["function"]["arguments"]), call["id"] in waiting)
        for call in one["tool_calls"]
    ]
    return Said(
        id=one["message_id"],
        role=one["role"],
        status=one["status"],
        pieces=pieces(one["content"] or "", one["hint"]),
        calls=tuple(calls),
        answers=_function(one, known) if one["role"] == "tool" else "",
        model=one["model"] or "",
        error=one["error"],
        number=at + 1,
        beside=len(beside),
        earlier=beside[at - 1],
        later=beside[(at + 1) % len(beside)],
    )


def _function(answer: Message, known: Mapping[str, Message]) -> str:
    for one in reversed(_path(known, answer["parent_id"])):
        for call in one["tool_calls"]:
            if call["id"] == answer["tool_call_id"]:
                return str(call["function"]["name"])
    return ""
