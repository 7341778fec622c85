"""The fixes of findings: each returns the messages as they should be, or says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from chassis.errors import Text
from dataset_svc.domain import edits
from dataset_svc.domain.checks.example import NAME, SPECIAL
from dataset_svc.domain.checks.finding import Finding
from dataset_svc.domain.functions import json_object
from dataset_svc.domain.hints import first_sent
from dataset_svc.domain.message import Call, Message, Messages


@dataclass(frozen=True, slots=True)
class Fix:
    """A fix as it was chosen; `value` is the new function name or the new arguments (JSON text)."""

    name: str
    finding: Finding
    value: str | None = None


def fixed(messages: Messages, fix: Fix) -> Messages:
    """Return the messages after the fix; raises EditRefusedError."""
    return _FIXES[fix.name](messages, fix)


def _message(messages: Messages, fix: Fix) -> Message:
    for one in messages:
        if one.id == fix.finding.message_id:
            return one
    text = Text("There is no such message in the working copy.", "В рабочей копии нет такого сообщения.")
    raise edits.EditRefusedError("no_such_message", text, fix.finding.message_id, "message_id")


def _put(messages: Messages, changed: Message) -> Messages:
    return tuple(changed if one.id == changed.id else one for one in messages)


def _call(message: Message, fix: Fix) -> Call:
    """The call that the finding's field names: `tool_calls.{number}…`."""
    return message.calls[int((fix.finding.field or "").split(".")[1])]


def _delete_message(messages: Messages, fix: Fix) -> Messages:
    return edits.apply(messages, edits.Delete(_message(messages, fix).id, with_answers=True))


def _delete_call(messages: Messages, fix: Fix) -> Messages:
    message = _message(messages, fix)
    gone = _call(message, fix)
    calls = tuple(one for one in message.calls if one is not gone)
    if not calls and not message.text():
        return _delete_message(messages, fix)
    left = edits.without_answers(messages, messages.index(message), {gone.id})
    return _put(left, replace(message, calls=calls))


def _rename_call(messages: Messages, fix: Fix) -> Messages:
    message = _message(messages, fix)
    if fix.value is None or not NAME.match(fix.value):
        text = Text("Say which function it should be.", "Укажите, какой функцией это должно быть.")
        raise edits.EditRefusedError("function_name_invalid", text, message.id, "value")
    return _put(messages, _with_call(message, _call(message, fix), name=fix.value))


def _set_arguments(messages: Messages, fix: Fix) -> Messages:
    message = _message(messages, fix)
    if fix.value is None or json_object(fix.value) is None:
        text = Text("Arguments must be a JSON object.", "Аргументы должны быть объектом JSON.")
        raise edits.EditRefusedError("arguments_not_json", text, message.id, "value")
    return _put(messages, _with_call(message, _call(message, fix), arguments=fix.value))


def _with_call(message: Message, call: Call, **changes: str) -> Message:
    return replace(
        message, calls=tuple(replace(one, **changes) if one is call else one for one in message.calls)
    )


def _delete_tokens(messages: Messages, fix: Fix) -> Messages:
    message = _message(messages, fix)
    calls = tuple(replace(one, arguments=SPECIAL.sub("", one.arguments)) for one in message.calls)
    content = message.content
    if isinstance(content, tuple):
        parts = orjson.loads(SPECIAL.sub("", orjson.dumps(content).decode()))
        return _put(messages, replace(message, content=tuple(parts), calls=calls))
    if content is not None:
        messages = edits.apply(messages, edits.EditText(message.id, SPECIAL.sub("", content)))
    return _put(messages, replace(_message(messages, fix), calls=calls))


def _delete_hint(messages: Messages, fix: Fix) -> Messages:
    return _put(messages, first_sent(_message(messages, fix)))


def _delete_part(messages: Messages, fix: Fix) -> Messages:
    message = _message(messages, fix)
    number = int((fix.finding.field or "").split(".")[1])
    parts = tuple(part for place, part in enumerate(message.content or ()) if place != number)
    if not parts:
        return _delete_message(messages, fix)
    return _put(messages, replace(message, content=parts))  # type: ignore[arg-type]


def _delete_name(messages: Messages, fix: Fix) -> Messages:
    return _put(messages, replace(_message(messages, fix), name=None))


def _teach_last(messages: Messages, _: Fix) -> Messages:
    answers = [one for one in messages if one.is_answer]
    if not answers:
        text = Text("There is no answer that could teach.", "Нет ответа, который мог бы учить.")
        raise edits.EditRefusedError("no_trained_answer", text, None, "fix")
    return edits.apply(messages, edits.SetWeight(answers[-1].id, 1))


_FIXES: dict[str, Callable[[Messages, Fix], Messages]] = {
    "delete_message": _delete_message,
    "delete_call": _delete_call,
    "rename_call": _rename_call,
    "set_arguments": _set_arguments,
    "delete_tokens": _delete_tokens,
    "delete_hint": _delete_hint,
    "delete_part": _delete_part,
    "delete_name": _delete_name,
    "teach_last": _teach_last,
}
