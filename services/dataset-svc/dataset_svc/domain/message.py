"""A message of an example: the working copy's unit, immutable, with its JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Content = str | tuple[Mapping[str, Any], ...] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A function call that an answer makes; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a message's text in code points, the end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `weight` is what the owner set by hand, None where the default holds."""

    id: str
    role: str
    content: Content = None
    author: str | None = None
    calls: tuple[Call, ...] = ()
    call_id: str | None = None
    name: str | None = None
    at: str | None = None
    model: str | None = None
    agent_version: int | None = None
    hint: tuple[Span, ...] = ()
    weight: int | None = None

    @property
    def is_answer(self) -> bool:
        """Whether this is an answer that can be trained on."""
        return self.role == "assistant"

    def text(self) -> str:
        """The content as text: of parts, the text ones joined; hints count code points in it."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text") or "") for part in self.content or ())

    def says_the_same(self, other: Message) -> bool:
        """Whether both hold the same words and calls."""
        return self.content == other.content and self.calls == other.calls


Messages = tuple[Message, ...]


def load(data: Sequence[Mapping[str, Any]]) -> Messages:
    """Return the messages of their JSON form, which is that of a transcript plus `weight`."""
    return tuple(_load(one) for one in data)


def _load(data: Mapping[str, Any]) -> Message:
    get = data.get
    content, calls, hint = get("content"), get("tool_calls"), get("hint")
    return Message(
        data["id"],
        data["role"],
        tuple(content) if isinstance(content, list | tuple) else content,
        get("author"),
        tuple(map(_call, calls)) if calls else (),
        get("tool_call_id"),
        get("name"),
        get("at"),
        get("model"),
        get("agent_version"),
        tuple(Span(one["start"], one["end"]) for one in hint) if hint else (),
        get("weight"),
    )


def _call(data: Mapping[str, Any]) -> Call:
    return Call(data["id"], data["function"]["name"], data["function"]["arguments"])


def dump(messages: Messages) -> list[dict[str, Any]]:
    """Return the JSON form; what is not set is left out."""
    return [_dump(one) for one in messages]


def dump_calls(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return function calls in OpenAI's form."""
    return [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
        for one in calls
    ]


def _dump(message: Message) -> dict[str, Any]:
    content = message.content
    fields = {
        "id": message.id,
        "role": message.role,
        "author": message.author,
        "content": list(content) if isinstance(content, tuple) else content,
        "tool_calls": dump_calls(message.calls) or None,
        "tool_call_id": message.call_id,
        "name": message.name,
        "at": message.at,
        "model": message.model,
        "agent_version": message.agent_version,
        "hint": [{"start": span.start, "end": span.end} for span in message.hint] or None,
        "weight": message.weight,
    }
    return {name: value for name, value in fields.items() if value is not None}
