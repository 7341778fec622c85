"""The operations on a working copy; each returns new messages or refuses with a code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from chassis.errors import Text
from dataset_svc.domain.hints import carry_over
from dataset_svc.domain.message import Content, Message, Messages, Span

MAX_MESSAGES = 4_000


@dataclass(frozen=True, slots=True)
class EditText:
    """Give a message another content; `hint` widens, narrows or (empty) removes the mark."""

    message_id: str
    content: Content
    hint: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class EditCall:
    """Give a function call other arguments (JSON text of an object)."""

    message_id: str
    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a message, `with_answers` also the answers to its function calls."""

    message_id: str
    with_answers: bool = False


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert a message after another one, or at the beginning."""

    after: str | None
    message: Message


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Let an answer teach (1) or not (0); None goes back to the default."""

    message_id: str
    weight: int | None


Operation = EditText | EditCall | Delete | Insert | SetWeight


class EditRefusedError(Exception):
    """An operation that cannot be done; names message and field."""

    def __init__(self, code: str, text: Text, message_id: str | None, field: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.message_id = message_id
        self.field = field


def apply(messages: Messages, operation: Operation) -> Messages:
    """Return the messages after one operation; raises EditRefusedError."""
    act: Callable[[Messages, Any], Messages] = _ACTS[type(operation)]
    return act(messages, operation)


def _place(messages: Messages, message_id: str) -> int:
    for place, message in enumerate(messages):
        if message.id == message_id:
            return place
    text = Text("There is no such message in the working copy.", "В рабочей копии нет такого сообщения.")
    raise EditRefusedError("no_such_message", text, message_id, "message_id")


def _put(messages: Messages, place: int, message: Message) -> Messages:
    return (*messages[:place], message, *messages[place + 1 :])


def _edit_text(messages: Messages, edit: EditText) -> Messages:
    place = _place(messages, edit.message_id)
    message = messages[place]
    if edit.content is None and not message.calls:
        text = Text("Only an answer with function calls may be without text.",
                    "Без текста может быть только ответ с вызовом функции.")  # fmt: skip
        raise EditRefusedError("content_missing", text, message.id, "content")
    changed = replace(message, content=edit.content)
    hint = carry_over(message.text(), changed.text(), message.hint) if edit.hint is None else edit.hint
    length = len(changed.text())
    if any(not span.start < span.end <= length for span in hint):
        text = Text("The hint must be a stretch of the content.", "Подсказка должна лежать внутри текста.")
        raise EditRefusedError("hint_outside_content", text, message.id, "hint")
    return _put(messages, place, replace(changed, hint=hint))


def _edit_call(messages: Messages, edit: EditCall) -> Messages:
    place = _place(messages, edit.message_id)
    message = messages[place]
    if edit.call_id not in {call.id for call in message.calls}:
        text = Text("The message makes no such call.", "В сообщении нет такого вызова.")
        raise EditRefusedError("no_such_call", text, message.id, "call_id")
    if not is_json_object(edit.arguments):
        text = Text("Arguments must be a JSON object.", "Аргументы должны быть объектом JSON.")
        raise EditRefusedError("arguments_not_json", text, message.id, "arguments")
    calls = tuple(
        replace(call, arguments=edit.arguments) if call.id == edit.call_id else call for call in message.calls
    )
    return _put(messages, place, replace(message, calls=calls))


def _delete(messages: Messages, edit: Delete) -> Messages:
    place = _place(messages, edit.message_id)
    orphans = {call.id for call in messages[place].calls} if edit.with_answers else set()
    rest = []
    for message in messages[place + 1 :]:
        if message.call_id in orphans:
            orphans.discard(message.call_id or "")
        else:
            rest.append(message)
    return (*messages[:place], *rest)


def _insert(messages: Messages, edit: Insert) -> Messages:
    if any(message.id == edit.message.id for message in messages):
        text = Text("This message id is taken.", "Этот идентификатор сообщения уже занят.")
        raise EditRefusedError("message_id_taken", text, edit.message.id, "message.id")
    if len(messages) >= MAX_MESSAGES:
        text = Text(f"An example may hold {MAX_MESSAGES} messages.",
                    f"В примере может быть {MAX_MESSAGES} сообщений.")  # fmt: skip
        raise EditRefusedError("too_many_messages", text, None, "message")
    place = 0 if edit.after is None else _place(messages, edit.after) + 1
    return (*messages[:place], edit.message, *messages[place:])


def _set_weight(messages: Messages, edit: SetWeight) -> Messages:
    place = _place(messages, edit.message_id)
    if not messages[place].is_answer:
        text = Text("Only an answer can teach.", "Учить может только ответ.")
        raise EditRefusedError("not_an_answer", text, edit.message_id, "weight")
    return _put(messages, place, replace(messages[place], weight=edit.weight))


_ACTS: dict[type, Callable[[Messages, Any], Messages]] = {
    EditText: _edit_text,
    EditCall: _edit_call,
    Delete: _delete,
    Insert: _insert,
    SetWeight: _set_weight,
}


def is_json_object(text: str) -> bool:
    """Whether the text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
