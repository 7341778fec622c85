"""What of a chat request is new in its dialog, which ids it gets, and what was answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import orjson

Message = dict[str, Any]
INSTRUCTIONS = frozenset({"system", "developer"})


def spoken(messages: Sequence[Message]) -> list[Message]:
    """Return the messages of the dialog itself, without instructions."""
    return [message for message in messages if message.get("role") not in INSTRUCTIONS]


def first_new(messages: Sequence[Message]) -> int:
    """Return the place after the last assistant message: what is before was recorded earlier."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") == "assistant":
            return place + 1
    return 0


def message_id(dialog_id: str, messages: Sequence[Message], replaces: str | None = None) -> str:
    """Return the id of the last of `messages`: the same request sent again names the same message.

    An edit is another message than the one that it happens to be equal to.
    """
    return f"g-{_digest([dialog_id, [canonical(message) for message in messages], replaces])}"


def answer_hash(answer: Message) -> str:
    """Return what tells two answers apart."""
    return _digest(canonical(answer))


def answer_id(dialog_id: str, question_id: str, digest: str, replaces: str | None) -> str:
    """Return the id of an answer to a request whose last message is `question_id`."""
    return f"g-{_digest([dialog_id, question_id, digest, replaces])}"


def canonical(message: Message) -> Message:
    """Return what identifies a message: its role, text, calls and which call it answers."""
    kept = {name: message.get(name) for name in ("role", "content", "tool_calls", "tool_call_id")}
    return {name: value for name, value in kept.items() if value}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def answer_of(body: bytes, *, streamed: bool) -> Message | None:
    """Return the first choice of a finished or broken-off provider answer as a message, or None.

    A refusal is what the model said, so it is the content.
    """
    try:
        message = _streamed_answer(body) if streamed else orjson.loads(body)["choices"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    if not isinstance(message, dict):
        return None
    said = {"role": "assistant", "content": message.get("content") or message.get("refusal") or None}
    if message.get("tool_calls"):
        said["tool_calls"] = message["tool_calls"]
    return said if said["content"] or "tool_calls" in said else None


def _streamed_answer(body: bytes) -> Message | None:
    text: list[str] = []
    refusal: list[str] = []
    calls: dict[int, Message] = {}
    for line in body.split(b"\n"):
        if not line.startswith(b"data:"):
            continue
        try:
            for choice in orjson.loads(line[5:]).get("choices") or ():
                if choice.get("index", 0) == 0:
                    _merge(choice.get("delta") or {}, text, refusal, calls)
        except (ValueError, AttributeError, TypeError):
            continue  # the end mark, the line at which the answer broke off, or none of the protocol's
    whole = b"[DONE]" in body[-64:]
    answer: Message = {"content": "".join(text), "refusal": "".join(refusal)}
    answer["tool_calls"] = [calls[number] for number in sorted(calls) if whole or _is_whole(calls[number])]
    return answer


def _is_whole(call: Message) -> bool:
    """Tell whether a call of a broken-off answer can be taken for what the model wanted."""
    try:
        orjson.loads(call["function"]["arguments"])
    except ValueError:
        return False
    return bool(call["id"] and call["function"]["name"])


def _merge(delta: Message, text: list[str], refusal: list[str], calls: dict[int, Message]) -> None:
    if isinstance(delta.get("content"), str):
        text.append(delta["content"])
    if isinstance(delta.get("refusal"), str):
        refusal.append(delta["refusal"])
    for part in delta.get("tool_calls") or ():
        call = calls.setdefault(
            part.get("index", 0), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
