"""A dialog as one reads it: each function call together with what was answered to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A function call; `arguments` laid out if they are JSON, `answer` None while there is none."""

    name: str
    arguments: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message as the reader shows it."""

    id: str
    role: str
    author: str
    text: str
    at: str
    model: str
    calls: tuple[ReadCall, ...]


def exchanges(messages: list[dict[str, Any]]) -> list[ReadMessage]:
    """Return the messages in order; a function's answer stands with its call, if there is one."""
    answers = {one["tool_call_id"]: one for one in messages if one.get("tool_call_id")}
    shown, told = [], set()
    for one in messages:
        calls = []
        for call in one.get("tool_calls") or ():
            answer = answers.get(call["id"])
            if answer is not None:
                told.add(answer["id"])
            called = call["function"]
            text = None if answer is None else laid_out(text_of(answer.get("content")))
            calls.append(ReadCall(called["name"], laid_out(called.get("arguments") or ""), text))
        if one["id"] in told:
            continue
        shown.append(
            ReadMessage(
                one["id"], one["role"], one.get("author") or "", text_of(one.get("content")),
                one.get("at") or "", one.get("model") or "", tuple(calls),
            )
        )  # fmt: skip
    return shown


def text_of(content: Any) -> str:
    """Return what a message says; parts that are no text are named by their kind."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", f"[{part.get('type', '?')}]")) for part in content)


def is_json(text: str) -> bool:
    """Whether this is the text of a JSON object or list."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def laid_out(text: str) -> str:
    """Return JSON on several lines; anything else as it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(found, ensure_ascii=False, indent=2) if isinstance(found, dict | list) else text
