"""The checks of an example: what a provider would refuse, and what must not be taught."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from chassis.errors import Text
from dataset_svc.domain.functions import is_json_object
from dataset_svc.domain.line import taught_part
from dataset_svc.domain.message import Message, Messages, Span

_SPECIAL = re.compile(r"<\|[^|\s<>]{1,64}\|>")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong where: a stable code, the message, the field; errors keep an example out."""

    code: str
    severity: Literal["error", "warning"]
    text: Text
    message_id: str | None = None
    field: str | None = None
    at: Span | None = None


def check(messages: Messages, weights: Mapping[str, int]) -> list[Finding]:
    """Return the findings in the order of the messages."""
    taught = taught_part(messages)
    found = [finding for one in taught for finding in (*_content(one), *_calls(one), *_specials(one))]
    found += [finding for one in messages for finding in _hints(one)]
    found += _pairs(taught)
    order = {one.id: place for place, one in enumerate(messages)}
    found.sort(key=lambda one: order.get(one.message_id or "", -1))
    return [*found, *_whole(messages, taught, weights)]


def errors(findings: list[Finding]) -> list[Finding]:
    """Return those that keep the example from being saved."""
    return [one for one in findings if one.severity == "error"]


def _error(code: str, en: str, ru: str, message: Message, field: str, at: Span | None = None) -> Finding:
    return Finding(code, "error", Text(en, ru), message.id, field, at)


def _content(message: Message) -> Iterator[Finding]:
    if message.content is None and not message.calls:
        yield _error("content_missing", "The message has no content.", "В сообщении нет текста.",
                     message, "content")  # fmt: skip
    if message.content == ():
        yield _error("content_missing", "The message has no parts.", "В сообщении нет частей.",
                     message, "content")  # fmt: skip
    if isinstance(message.content, tuple):
        allowed = {"text", "image_url"} if message.role == "user" else {"text"}
        for place, part in enumerate(message.content):
            if part.get("type") not in allowed:
                yield _error("part_not_trainable", "The provider does not train on such a part.",
                             "Провайдер не обучает на такой части.", message, f"content.{place}")  # fmt: skip


def _calls(message: Message) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, call in enumerate(message.calls):
        field = f"tool_calls.{place}"
        if call.id in seen:
            yield _error("call_id_repeated", "Two calls have the same id.",
                         "У двух вызовов один идентификатор.", message, f"{field}.id")  # fmt: skip
        seen.add(call.id)
        if not _NAME.match(call.name):
            yield _error("function_name_invalid", "The provider does not take this function name.",
                         "Провайдер не примет такое имя функции.", message,
                         f"{field}.function.name")  # fmt: skip
        if not is_json_object(call.arguments):
            yield _error("arguments_not_json", "The arguments are not a JSON object.",
                         "Аргументы — не объект JSON.", message, f"{field}.function.arguments")  # fmt: skip


def _specials(message: Message) -> Iterator[Finding]:
    texts = [("content", message.text())]
    texts += [(f"tool_calls.{n}.function.arguments", call.arguments) for n, call in enumerate(message.calls)]
    for field, text in texts:
        for match in _SPECIAL.finditer(text):
            yield _error("special_token", "Text like <|…|> is refused by the provider.",
                         "Текст вида <|…|> провайдер не принимает.", message, field,
                         Span(*match.span()))  # fmt: skip


def _hints(message: Message) -> Iterator[Finding]:
    for span in message.hint if message.role == "user" else ():
        yield _error("hint_left", "The hint is still in the client's message.",
                     "Подсказка осталась в сообщении клиента.", message, "content", span)  # fmt: skip


def _pairs(messages: Messages) -> Iterator[Finding]:
    """Every call is answered before the dialog goes on; the last answer's calls may stay open."""
    caller: Message | None = None
    waiting: dict[str, int] = {}
    for message in messages:
        if message.role == "tool":
            if message.call_id not in waiting:
                yield _error("tool_answer_without_call", "It answers no call of the answer before it.",
                             "Это ответ на вызов, которого перед ним нет.", message,
                             "tool_call_id")  # fmt: skip
            waiting.pop(message.call_id or "", None)
            continue
        if caller is not None:
            for place in waiting.values():
                yield _error("call_unanswered", "The function call has no answer.",
                             "У вызова функции нет ответа.", caller, f"tool_calls.{place}")  # fmt: skip
        caller, waiting = message, {call.id: place for place, call in enumerate(message.calls)}


def _whole(messages: Messages, taught: Messages, weights: Mapping[str, int]) -> Iterator[Finding]:
    if not any(weights.get(one.id) for one in taught):
        text = Text("No answer teaches. Edit one, or let one teach.",
                    "Ни один ответ не учит. Исправьте ответ или включите обучение на нём.")  # fmt: skip
        yield Finding("no_trained_answer", "error", text)
    after = next((n for n, one in enumerate(reversed(messages)) if one.is_answer), 0)
    if after:
        text = Text(
            f"The last {after} message(s) follow the last answer and are left out of the line.",
            f"Последние сообщения ({after}) идут после последнего ответа и в строку не войдут.",
        )
        yield Finding("trailing_messages_cut", "warning", text, messages[-after].id)
