"""What functions answered in a dialog, told apart by name and arguments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from contracts.chat import ChatMessage

MAX_ANSWER = 65_536
"""Longer answers of functions are not kept, in characters."""


class Answer(NamedTuple):
    """A function's answer; `arguments` is the hash of those that it was called with."""

    name: str
    arguments: str
    content: str


def arguments_hash(text: str) -> str:
    """Return what two calls with equal arguments have in common, however they are written."""
    try:
        text = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        text = text.strip()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def answers_in(messages: Iterable[ChatMessage]) -> Iterator[Answer]:
    """Yield what functions answered, in order; a call's id counts for the answer that it stands in only."""
    calls: dict[str, tuple[str, str]] = {}
    for message in messages:
        if message.role == "assistant":
            calls = {one.id: (one.function.name, one.function.arguments) for one in message.tool_calls or ()}
        elif message.role == "tool" and message.tool_call_id in calls:
            name, arguments = calls[message.tool_call_id]
            content = message.text().replace("\x00", "\ufffd")
            if len(content) <= MAX_ANSWER:
                yield Answer(name, arguments_hash(arguments), content)
