"""What of a chat request is new in its dialog, and which ids it gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]


def new_messages(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """Return (place, message) of what follows the last assistant message: the rest was recorded before."""
    start = 0
    for place, message in enumerate(messages):
        if message.get("role") == "assistant":
            start = place + 1
    return [
        (place, message)
        for place, message in enumerate(messages)
        if place >= start and message.get("role") in {"user", "tool"}
    ]


def message_id(dialog_id: str, messages: Sequence[Message]) -> str:
    """Return the id of the last of `messages`: the same request sent again names the same messages."""
    visible = [canonical(message) for message in messages if message.get("role") != "system"]
    text = json.dumps([dialog_id, visible], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"g-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def canonical(message: Message) -> Message:
    """Return what identifies a message: its role, text, calls and which call it answers."""
    kept = {name: message.get(name) for name in ("role", "content", "tool_calls", "tool_call_id")}
    return {name: value for name, value in kept.items() if value}


def answer_of(body: bytes, *, streamed: bool) -> Message | None:
    """Return the assistant message in a finished or broken-off provider answer, or None."""
    try:
        return _streamed_answer(body) if streamed else json.loads(body)["choices"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _streamed_answer(body: bytes) -> Message | None:
    text: list[str] = []
    calls: dict[int, Message] = {}
    for line in body.split(b"\n"):
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        try:
            choices = json.loads(data).get("choices") or []
        except ValueError:
            continue
        for choice in choices:
            _merge(choice.get("delta") or {}, text, calls)
    if not text and not calls:
        return None
    answer: Message = {"role": "assistant", "content": "".join(text) or None}
    if calls:
        answer["tool_calls"] = [calls[number] for number in sorted(calls)]
    return answer


def _merge(delta: Message, text: list[str], calls: dict[int, Message]) -> None:
    if delta.get("content"):
        text.append(delta["content"])
    for part in delta.get("tool_calls") or ():
        call = calls.setdefault(
            part.get("index", 0), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
