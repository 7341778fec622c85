"""Preference lines (DPO): one answer preferred to another, read as the example that the better one makes."""

from collections.abc import Mapping
from typing import Any

FIELDS = frozenset({"input", "preferred_output", "non_preferred_output"})
INPUT = frozenset({"messages", "tools", "parallel_tool_calls"})


def preferred_example(line: object) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with a preference line, and the example of its input and its preferred answer."""
    if not isinstance(line, dict) or set(line) != FIELDS:
        return f"a preference has the keys {sorted(FIELDS)}", {}
    given = line["input"]
    if not isinstance(given, dict) or not isinstance(given.get("messages"), list) or set(given) - INPUT:
        return "`input` must hold messages, and may hold tools", {}
    for name in ("preferred_output", "non_preferred_output"):
        answer = line[name]
        if not isinstance(answer, list) or len(answer) != 1 or not _is_text(answer[0]):
            return f"`{name}` must be one assistant message of text", {}
    return None, {**given, "messages": [*given["messages"], *line["preferred_output"]]}


def _is_text(message: object) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") == "assistant"
        and isinstance(message.get("content"), str)
    )


def learned(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """The example that a line of a training file teaches, of either kind."""
    return preferred_example(line)[1] if "preferred_output" in line else line
