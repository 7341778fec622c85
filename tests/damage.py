"""Ways in which an example gets broken, each with the code that must name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dataset_svc.domain.message import Call, Message, Messages, Span

Damage = Callable[[Messages], Messages]


def _change(messages: Messages, which: Callable[[Message], bool], **changes: Any) -> Messages:
    """Change the last message that fits: it is in the line in any case."""
    place = max(place for place, one in enumerate(messages[:-1]) if which(one))
    return (*messages[:place], replace(messages[place], **changes), *messages[place + 1 :])


def _user(**changes: Any) -> Damage:
    return lambda messages: _change(messages, lambda one: one.role == "user", **changes)


def _call(**changes: str) -> Damage:
    def damaged(messages: Messages) -> Messages:
        (first, *rest) = next(one.calls for one in reversed(messages) if one.calls)
        calls = (replace(first, **changes), *rest)
        return _change(messages, lambda one: bool(one.calls), calls=calls)

    return damaged


def _arguments(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    def damaged(messages: Messages) -> Messages:
        call = next(one.calls[0] for one in reversed(messages) if one.calls)
        return _call(arguments=json.dumps(change(json.loads(call.arguments))))(messages)

    return damaged


def _repeated_call(messages: Messages) -> Messages:
    calls = next(one.calls for one in reversed(messages) if one.calls)
    return _change(messages, lambda one: bool(one.calls), calls=(*calls, calls[0]))


def _without(which: Callable[[Message], bool]) -> Damage:
    def damaged(messages: Messages) -> Messages:
        gone = max(place for place, one in enumerate(messages) if which(one))
        return (*messages[:gone], *messages[gone + 1 :])

    return damaged


def _call_without_answers(messages: Messages) -> Messages:
    return _change(messages, lambda one: bool(one.calls), calls=(), content="one moment")


def _last_answer(text: str) -> Damage:
    return lambda messages: (*messages[:-1], replace(messages[-1], content=text))


def _silent(messages: Messages) -> Messages:
    return tuple(replace(one, weight=0) if one.is_answer else one for one in messages)


DAMAGES: list[tuple[str, str, Damage]] = [
    ("no content", "content_missing", _user(content=None)),
    ("no parts", "content_missing", _user(content=())),
    ("sound", "part_not_trainable", _user(content=({"type": "input_audio", "input_audio": {}},))),
    ("a picture in an answer", "part_not_trainable",
     lambda messages: (*messages[:-1], replace(messages[-1], content=({"type": "image_url"},)))),
    ("a name with a blank", "name_invalid", _user(name="John Doe")),
    ("a call twice", "call_id_repeated", _repeated_call),
    ("a function name with a blank", "function_name_invalid", _call(name="find it")),
    ("torn arguments", "arguments_not_json", _call(arguments='{"city": "San')),
    ("arguments in a list", "arguments_not_json", _call(arguments='["San Jose"]')),
    ("a special token in a question", "special_token", _user(content="hi <|endoftext|> there")),
    ("a special token in arguments", "special_token", _call(arguments='{"city": "<|im_start|>"}')),
    ("a hint in a question", "hint_left", _user(content="Where? say: here", hint=(Span(7, 16),))),
    ("a lost function answer", "call_unanswered", _without(lambda one: one.role == "tool")),
    ("a lost call", "tool_answer_without_call", _call_without_answers),
    ("a function answer to another call", "tool_answer_without_call",
     lambda messages: _change(messages, lambda one: one.role == "tool", call_id="call_of_nobody")),
    ("no answer that teaches", "no_trained_answer", _silent),
    ("no answers", "no_trained_answer",
     lambda messages: tuple(one for one in messages if one.role == "user")),
    ("a function that is gone", "function_unknown", _call(name="Restaurants_9__Gone")),
    ("no arguments", "arguments_mismatch", _arguments(lambda _: {})),
    ("an argument of another type", "arguments_mismatch",
     _arguments(lambda given: {name: [value] for name, value in given.items()})),
    ("more than the model reads", "example_too_long", _user(content="so " * 70_000)),
    ("an answer that speaks of a hint", "answer_speaks_of_hint", _last_answer("It is red, as you hinted.")),
    ("an answer that speaks of a hint, in Russian", "answer_speaks_of_hint",
     _last_answer("Как вы подсказали, три дня.")),
    ("words after the last answer", "trailing_messages_cut",
     lambda messages: (*messages, Message(id="bye", role="user", content="bye"))),
]  # fmt: skip
"""What was done, the code, how."""

TOOLS = [
    {"type": "function", "function": {"name": "find", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
]  # fmt: skip
SOUND: Messages = (
    Message(id="u1", role="user", content="Where can I eat?"),
    Message(id="a1", role="assistant", content="In which city?"),
    Message(id="u2", role="user", content="San Jose"),
    Message(id="a2", role="assistant", calls=(Call("c1", "find", '{"city": "San Jose"}'),)),
    Message(id="t1", role="tool", content='["Sino"]', call_id="c1"),
    Message(id="a3", role="assistant", content="At Sino."),
)
"""A dialog without a finding, with every kind of message."""
