"""The training line of an example (OpenAI chat format): what is written, and what it costs in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dataset_svc.domain.message import Message, Messages, dump_calls


def taught_part(messages: Messages) -> Messages:
    """Return the messages that the line holds.

    Leading system messages give way to the agent's prompt; what follows the last answer is cut,
    because a line must end on an answer.
    """
    start = 0
    while start < len(messages) and messages[start].role == "system":
        start += 1
    end = len(messages)
    while end > start and not messages[end - 1].is_answer:
        end -= 1
    return messages[start:end]


def line_messages(messages: Messages, weights: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the line's messages after the prompt, with a weight on each answer."""
    return [_line_message(one, weights.get(one.id)) for one in taught_part(messages)]


def _line_message(message: Message, weight: int | None) -> dict[str, Any]:
    content = message.content
    if isinstance(content, tuple):
        only_text = all(part.get("type") == "text" for part in content)
        content = message.text() if only_text else content
    fields: dict[str, Any] = {"role": message.role}
    if content is not None or not message.calls:
        fields["content"] = content if content is not None else ""
    if message.name and message.role != "tool":
        fields["name"] = message.name
    if message.calls:
        fields["tool_calls"] = dump_calls(message.calls)
    if message.call_id and message.role == "tool":
        fields["tool_call_id"] = message.call_id
    if weight is not None:
        fields["weight"] = weight
    return fields


def fragment(messages: list[dict[str, Any]]) -> str:
    """Return the messages as JSON without the brackets, ready to stand after the prompt's message."""
    return orjson.dumps(messages)[1:-1].decode()


def frame(prompt: str, tools: list[Any], *, parallel_tool_calls: bool | None = None) -> tuple[bytes, bytes]:
    """Return what stands before and after the fragment in every line of a version."""
    system = orjson.dumps({"role": "system", "content": prompt}) + b"," if prompt else b""
    rest: dict[str, Any] = {}
    if tools:
        rest["tools"] = tools
        if parallel_tool_calls is not None:
            rest["parallel_tool_calls"] = parallel_tool_calls
    tail = b"," + orjson.dumps(rest)[1:-1] if rest else b""
    return b'{"messages":[' + system, b"]" + tail + b"}\n"
