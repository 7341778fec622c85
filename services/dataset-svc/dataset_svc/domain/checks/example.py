"""The checks of one example: the provider's line format, hints, and the agent's functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import orjson

from dataset_svc.domain.checks.catalogue import CODES
from dataset_svc.domain.checks.finding import Finding
from dataset_svc.domain.checks.functions import Functions
from dataset_svc.domain.line import taught_part
from dataset_svc.domain.message import Message, Messages, Span

SPECIAL = re.compile(r"<\|[^|\s<>]{1,64}\|>")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SPEAKS_OF_HINT = re.compile(
    r"\byou(?:'ve| have)? (?:just )?(?:hinted|prompted)\b|\b(?:your|the) hint\b|\bas hinted\b"
    r"|\b[вт]ы (?:мне )?(?:намекнули|намекнул|намекнула|подсказали|подсказал|подсказала)\b|\bподсказ(?:к|ок)"
)
_STEMS = ("hint", "prompted", "намекн", "подсказ")


def check(
    messages: Messages, weights: Mapping[str, int], functions: Functions | None = None
) -> list[Finding]:
    """Return the findings in the order of the messages; calls are held against `functions` when given."""
    taught = taught_part(messages)
    found: list[Finding] = []
    for one in taught:
        _look_at(one, weights, functions, found)
    found += [finding for one in messages if one.hint for finding in _hints(one)]
    found += _pairs(taught)
    if len(found) > 1:
        order = {one.id: place for place, one in enumerate(messages)}
        found.sort(key=lambda one: order.get(one.message_id or "", -1))
    return [*found, *_whole(messages, taught, weights)]


def errors(findings: list[Finding]) -> list[Finding]:
    """Return those that keep the example from being saved."""
    return [one for one in findings if CODES[one.code].severity == "error"]


def _look_at(
    one: Message, weights: Mapping[str, int], functions: Functions | None, found: list[Finding]
) -> None:
    content = one.content
    if not isinstance(content, str) or one.name:
        found += _content(one)
    if one.calls:
        found += _calls(one, functions)
    text = content if isinstance(content, str) else one.text()
    if "<|" in text:
        found += _specials(one.id, "content", text)
    if weights.get(one.id) and _speaks_of_hint(text):
        found.append(Finding("answer_speaks_of_hint", one.id, "content"))


def _speaks_of_hint(text: str) -> bool:
    lowered = text.lower()
    for stem in _STEMS:  # most answers hold none, and looking for four words is cheaper than the pattern
        if stem in lowered:
            return _SPEAKS_OF_HINT.search(lowered) is not None
    return False


def _content(message: Message) -> Iterator[Finding]:
    content = message.content
    if (content is None and not message.calls) or content == ():
        yield Finding("content_missing", message.id, "content")
    if isinstance(content, tuple):
        allowed = {"text", "image_url"} if message.role == "user" else {"text"}
        for place, part in enumerate(content):
            if part.get("type") not in allowed:
                yield Finding("part_not_trainable", message.id, f"content.{place}")
    if message.name and message.role != "tool" and not NAME.match(message.name):
        yield Finding("name_invalid", message.id, "name")


def _calls(message: Message, functions: Functions | None) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, call in enumerate(message.calls):
        field = f"tool_calls.{place}"
        if call.id in seen:
            yield Finding("call_id_repeated", message.id, f"{field}.id")
        seen.add(call.id)
        arguments = _object(call.arguments)
        if arguments is None:
            yield Finding("arguments_not_json", message.id, f"{field}.function.arguments")
        if not NAME.match(call.name):
            yield Finding("function_name_invalid", message.id, f"{field}.function.name")
        elif functions is not None:
            yield from functions.findings(message.id, field, call, arguments)
        if "<|" in call.arguments:
            yield from _specials(message.id, f"{field}.function.arguments", call.arguments)


def _object(text: str) -> dict[str, object] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _specials(message_id: str, field: str, text: str) -> Iterator[Finding]:
    for match in SPECIAL.finditer(text):
        yield Finding("special_token", message_id, field, Span(*match.span()))


def _hints(message: Message) -> Iterator[Finding]:
    for span in message.hint if message.role == "user" else ():
        yield Finding("hint_left", message.id, "content", span)


def _pairs(messages: Messages) -> Iterator[Finding]:
    """Every call is answered before the dialog goes on; the last answer's calls may stay open."""
    caller: Message | None = None
    waiting: dict[str, int] = {}
    for message in messages:
        if message.role == "tool":
            if message.call_id not in waiting:
                yield Finding("tool_answer_without_call", message.id, "tool_call_id")
            waiting.pop(message.call_id or "", None)
            continue
        if caller is not None:
            for place in waiting.values():
                yield Finding("call_unanswered", caller.id, f"tool_calls.{place}")
        caller = message
        waiting = {call.id: place for place, call in enumerate(message.calls)} if message.calls else {}


def _whole(messages: Messages, taught: Messages, weights: Mapping[str, int]) -> Iterator[Finding]:
    if not any(weights.get(one.id) for one in taught):
        yield Finding("no_trained_answer")
    after = next((n for n, one in enumerate(reversed(messages)) if one.is_answer), 0)
    if after:
        yield Finding("trailing_messages_cut", messages[-after].id, facts={"after": after})
