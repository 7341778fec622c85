"""Checks training files as the provider does: line by line, with its error codes.

Use `example_problem(example)` for one example, `validate_file(path, param=…)` for a file.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.simulator.preferences import preferred_example
from deploy.simulator.records import Finding
from deploy.simulator.tokens import count_messages, count_text

MIN_EXAMPLES = 10
TOP_LEVEL = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
FIELDS = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "refusal", "tool_calls", "function_call", "weight"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
    "function": frozenset({"role", "content", "name"}),
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SPECIAL = re.compile(r"<\|[^|\s<>]{1,64}\|>")


class _InvalidExampleError(Exception):
    """What is wrong with an example, in words."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a training file holds, or why it can't be trained on."""

    examples: int
    tokens: int
    problem: Finding | None = None


def example_problem(example: object) -> str | None:
    """Why the provider would refuse one example; None when it would not."""
    try:
        _check_example(example)
    except _InvalidExampleError as problem:
        return str(problem)
    return None


def validate_file(path: Path, *, param: str = "training_file", method: str = "supervised") -> Report:
    """Check a JSONL file; `param` is `training_file` or `validation_file`."""
    with path.open("rb") as lines:
        return validate_lines(lines, param=param, method=method)


def validate_lines(
    lines: Iterable[bytes], *, param: str = "training_file", method: str = "supervised"
) -> Report:
    """Check the lines of a file, stopping at the first bad one; memory does not grow with the file."""
    examples = tokens = 0
    for line in lines:
        examples += 1
        problem, example = _parse(line)
        if problem is None and method == "dpo":
            problem, example = preferred_example(example)
        problem = problem or example_problem(example)
        if problem is not None or not isinstance(example, dict):
            message = f"Invalid file format. Example {examples}: {problem}"
            return Report(examples, tokens, Finding("invalid_file_format", message, param))
        tokens += _tokens(example)
    if param == "training_file" and examples < MIN_EXAMPLES:
        message = f"Training file has {examples} example(s), but must have at least {MIN_EXAMPLES} examples"
        return Report(examples, tokens, Finding("invalid_n_examples", message, param))
    return Report(examples, tokens)


def _parse(line: bytes) -> tuple[str | None, object]:
    try:
        return None, json.loads(line)
    except (ValueError, RecursionError):
        return "the line is not valid JSON in UTF-8", None


def _tokens(example: Mapping[str, Any]) -> int:
    tools = example.get("tools")
    return count_messages(example["messages"]) + (count_text(json.dumps(tools)) if tools else 0)


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise _InvalidExampleError(problem)


def _check_example(example: object) -> None:
    if not isinstance(example, dict):
        raise _InvalidExampleError("it is not a JSON object")
    unknown = sorted(set(example) - TOP_LEVEL)
    _require(not unknown, f"unexpected key(s) {unknown}")
    messages = example.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _InvalidExampleError("`messages` must be a list with at least one message")
    for position, message in enumerate(messages):
        _check_message(message, f"messages[{position}]")
    _check_pairs(messages)
    _require(any(m["role"] == "assistant" for m in messages), "it has no assistant message")
    _require(messages[-1]["role"] == "assistant", "the last message must be from the assistant")
    _check_tools(example.get("tools", []))
    _require(isinstance(example.get("functions", []), list), "`functions` must be a list")
    parallel = example.get("parallel_tool_calls", True)
    _require(isinstance(parallel, bool), "`parallel_tool_calls` must be a boolean")


def _check_message(message: object, at: str) -> None:
    if not isinstance(message, dict):
        raise _InvalidExampleError(f"{at} is not an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in FIELDS:
        raise _InvalidExampleError(f"{at}.role must be one of {sorted(FIELDS)}")
    unknown = sorted(set(message) - FIELDS[role])
    _require(not unknown, f"{at} has unexpected key(s) {unknown}")
    may_be_empty = role == "assistant" and ("tool_calls" in message or "function_call" in message)
    if not (may_be_empty and message.get("content") is None):
        _check_content(message.get("content"), role, f"{at}.content")
    if "weight" in message:
        weight = message["weight"]
        _require(type(weight) is int and weight in (0, 1), f"{at}.weight must be 0 or 1")
    if "tool_calls" in message:
        _check_calls(message["tool_calls"], f"{at}.tool_calls")
    if role == "tool":
        _require(isinstance(message.get("tool_call_id"), str), f"{at}.tool_call_id must be a string")


def _check_content(content: object, role: str, at: str) -> None:
    if isinstance(content, str):
        _check_text(content, at)
        return
    if not isinstance(content, list) or not content:
        raise _InvalidExampleError(f"{at} must be a string or a list of parts")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url" and role == "user":
            continue
        text = part.get("text") if kind == "text" else None
        if not isinstance(text, str):
            raise _InvalidExampleError(f"{at} holds a part that is not text")
        _check_text(text, at)


def _check_text(text: str, at: str) -> None:
    _require(
        not _SPECIAL.search(text), f"{at} contains a special token, which is not allowed in training data"
    )


def _check_calls(calls: object, at: str) -> None:
    if not isinstance(calls, list) or not calls:
        raise _InvalidExampleError(f"{at} must be a list with at least one call")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise _InvalidExampleError(f"{at} holds a call without a function")
        _require(call.get("type") == "function", f"{at} holds a call that is not of type function")
        _require(isinstance(call.get("id"), str) and call["id"], f"{at} holds a call without an id")
        _require(_NAME.match(str(function.get("name"))), f"{at} holds a call with an invalid function name")
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            raise _InvalidExampleError(f"{at}.function.arguments must be a string of JSON")
        problem, _ = _parse(arguments.encode())
        _require(problem is None, f"{at}.function.arguments must be a string of JSON")
        _check_text(arguments, at)


def _check_pairs(messages: list[dict[str, Any]]) -> None:
    """Every call answered before the dialog goes on, every answer to a call; the last call may stay open."""
    waiting: set[str] = set()
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            answered = message["tool_call_id"]
            _require(answered in waiting, f"messages[{position}] answers no preceding tool call")
            waiting.discard(answered)
            continue
        _require(
            not waiting, f"messages[{position}] comes before the answers to tool calls {sorted(waiting)}"
        )
        ids = [call["id"] for call in message.get("tool_calls", [])]
        _require(len(ids) == len(set(ids)), f"messages[{position}] repeats a tool call id")
        waiting = set(ids)


def _check_tools(tools: object) -> None:
    if not isinstance(tools, list):
        raise _InvalidExampleError("`tools` must be a list")
    names = set()
    for position, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type") != "function":
            raise _InvalidExampleError(f"tools[{position}] must be a function")
        name = str(function.get("name"))
        _require(_NAME.match(name), f"tools[{position}].function.name is invalid")
        _require(name not in names, f"tools[{position}] repeats the name {name}")
        _require(isinstance(function.get("parameters", {}), dict), f"tools[{position}].function.parameters")
        names.add(name)
