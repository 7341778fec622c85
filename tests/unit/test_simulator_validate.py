"""Training lines are refused as the provider refuses them."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from deploy.simulator.testing import question_lines
from deploy.simulator.validate import example_problem, validate_lines

CALL = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"id": 1}'}}
GOOD: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Где мой заказ? 🙂"}], "name": "client"},
        {"role": "assistant", "tool_calls": [CALL], "weight": 0},
        {"role": "tool", "tool_call_id": "c1", "content": "{}"},
        {"role": "assistant", "content": "В пути.", "weight": 1},
    ],
    "tools": [{"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}],
    "parallel_tool_calls": False,
}


def changed(*path: str | int, value: object) -> dict[str, Any]:
    example = deepcopy(GOOD)
    target: Any = example
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return example


def with_messages(*messages: Mapping[str, object]) -> dict[str, object]:
    return {"messages": list(messages)}


USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "{}"}


@pytest.mark.parametrize(
    "example",
    [
        GOOD,
        with_messages(ANSWER),
        with_messages(USER, CALLING),
        with_messages(USER, {**CALLING, "content": None}),
        with_messages(USER, {"role": "assistant", "content": "a | b <|> c < |d| >"}),
    ],
)
def test_good_examples_pass(example: object) -> None:
    assert example_problem(example) is None


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ([], "not a JSON object"),
        ({**GOOD, "dialog_id": "d"}, "unexpected key(s) ['dialog_id']"),
        ({}, "`messages`"),
        (with_messages(), "`messages`"),
        (with_messages(USER), "no assistant message"),
        (with_messages(ANSWER, USER), "last message must be from the assistant"),
        (with_messages(USER, CALLING, RESULT), "last message must be from the assistant"),
        (changed("messages", 0, "role", value="narrator"), "messages[0].role"),
        (changed("messages", 0, "role", value=["system"]), "messages[0].role"),
        (changed("messages", 1, "at", value="now"), "messages[1] has unexpected key(s) ['at']"),
        (changed("messages", 1, "weight", value=1), "messages[1] has unexpected key(s) ['weight']"),
        (changed("messages", 4, "weight", value=2), "messages[4].weight must be 0 or 1"),
        (changed("messages", 4, "weight", value=True), "messages[4].weight must be 0 or 1"),
        (changed("messages", 4, "weight", value=0.5), "messages[4].weight must be 0 or 1"),
        (changed("messages", 1, "content", value=None), "messages[1].content"),
        (changed("messages", 1, "content", value=[{"type": "audio"}]), "part that is not text"),
        (changed("messages", 4, "content", value=None), "messages[4].content"),
        (changed("messages", 1, "content", value="see <|endoftext|>"), "special token"),
        (
            changed("messages", 1, "content", value=[{"type": "text", "text": "<|im_start|>"}]),
            "special token",
        ),
        (changed("messages", 2, "tool_calls", value=[]), "at least one call"),
        (changed("messages", 2, "tool_calls", 0, "id", value=None), "without an id"),
        (changed("messages", 2, "tool_calls", 0, "type", value="custom"), "not of type function"),
        (changed("messages", 2, "tool_calls", 0, "function", "name", value="a b"), "function name"),
        (changed("messages", 2, "tool_calls", 0, "function", "arguments", value={"id": 1}), "string of JSON"),
        (changed("messages", 2, "tool_calls", 0, "function", "arguments", value="{id"), "string of JSON"),
        (
            changed("messages", 2, "tool_calls", 0, "function", "arguments", value='"<|end|>"'),
            "special token",
        ),
        (changed("messages", 3, "tool_call_id", value="c2"), "answers no preceding tool call"),
        (with_messages(USER, RESULT, ANSWER), "answers no preceding tool call"),
        (with_messages(USER, CALLING, RESULT, RESULT, ANSWER), "messages[3] answers no preceding tool call"),
        (with_messages(USER, CALLING, USER, ANSWER), "before the answers to tool calls ['c1']"),
        (with_messages(USER, {"role": "assistant", "tool_calls": [CALL, CALL]}), "repeats a tool call id"),
        (changed("tools", value={}), "`tools` must be a list"),
        (changed("tools", 0, "type", value="code"), "tools[0]"),
        (changed("tools", value=GOOD["tools"] * 2), "repeats the name"),
        (changed("parallel_tool_calls", value="no"), "`parallel_tool_calls`"),
    ],
)
def test_bad_examples_say_what_and_where(example: object, says: str) -> None:
    problem = example_problem(example)
    assert problem is not None
    assert says in problem


def test_nine_examples_are_too_few() -> None:
    lines = question_lines("Q{}", "A{}", 10).splitlines(keepends=True)
    assert validate_lines(lines).problem is None
    report = validate_lines(lines[:9])
    assert report.problem is not None
    assert (report.problem.code, report.problem.param) == ("invalid_n_examples", "training_file")
    assert validate_lines(lines[:9], param="validation_file").problem is None


@pytest.mark.parametrize("line", [b"\n", b"{", b"[]\n", b'{"messages": "\xff"}\n', b"[" * 100_000])
def test_a_bad_line_names_its_place_and_the_file(line: bytes) -> None:
    report = validate_lines([*question_lines("Q{}", "A{}", 11).splitlines(), line], param="validation_file")
    assert report.problem is not None
    assert (report.problem.code, report.problem.param) == ("invalid_file_format", "validation_file")
    assert "Example 12:" in report.problem.message


def test_reading_stops_at_the_first_bad_line() -> None:
    def lines() -> Iterator[bytes]:
        yield json.dumps({"prompt": "x"}).encode()
        raise AssertionError("the second line must not be read")

    assert validate_lines(lines()).examples == 1


def test_tokens_grow_with_the_text() -> None:
    short = validate_lines(question_lines("Q{}", "A{}", 10).splitlines()).tokens
    long = validate_lines(question_lines("Q{}", "A{} and so on and so forth", 10).splitlines()).tokens
    assert long == short + 10 * 6
