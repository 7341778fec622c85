"""The operations on a working copy; each returns new messages or refuses with a code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from chassis.errors import Text
from dataset_svc.domain.functions import Functions, json_object
from dataset_svc.domain.hints import after_edit, first_sent
from dataset_svc.domain.message import Call, Content, Message, Messages, Span

MAX_MESSAGES = 4_000


@dataclass(frozen=True, slots=True)
class EditText:
    """Give a message another content; `hint` widens, narrows or (empty) removes the mark."""

    message_id: str
    content: Content
    hint: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class MarkHint:
    """Widen, narrow or (empty) remove the hint's mark; the words stay."""

    message_id: str
    hint: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Restore:
    """Give a message back as first sent: its words without the hint, its calls."""

    message_id: str


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


Operation = EditText | MarkHint | Restore | EditCall | Delete | Insert | SetWeight


@dataclass(frozen=True, slots=True)
class Setting:
    """What an operation may need to know of its example.

    `original` is by message id. In one's `own` dialog (a test chat) what an edit adds to a user's
    message is a hint; a client's words are only ever corrected.
    """

    original: Mapping[str, Message] = field(default_factory=dict)
    own: bool = False
    functions: Functions = field(default_factory=Functions)


NOTHING_KNOWN = Setting()


class EditRefusedError(Exception):
    """An operation that cannot be done; names message and field."""

    def __init__(
        self, code: str, text: Text, message_id: str | None, field: str, places: Sequence[str] = ()
    ) -> None:
        super().__init__(code)
        self.places = places
        self.code = code
        self.text = text
        self.message_id = message_id
        self.field = field


def apply(messages: Messages, operation: Operation, setting: Setting = NOTHING_KNOWN) -> Messages:
    """Return the messages after one operation; raises EditRefusedError."""
    act: Callable[[Messages, Any, Setting], Messages] = _ACTS[type(operation)]
    return act(messages, operation, setting)


def orphans(messages: Messages) -> list[str]:
    """Return the ids of function answers whose call is not in the answer before them."""
    found, waiting = [], set[str | None]()
    for message in messages:
        if message.role != "tool":
            waiting = {call.id for call in message.calls}
        elif message.call_id in waiting:
            waiting.discard(message.call_id)
        else:
            found.append(message.id)
    return found


def without_answers(messages: Messages, place: int, calls: Set[str]) -> Messages:
    """Return the messages without what functions answered to these calls of the message at `place`.

    Only the function answers that directly follow are meant: a later answer may use a call's id again.
    """
    end = place + 1
    while end < len(messages) and messages[end].role == "tool":
        end += 1
    waiting, kept = set(calls), list[Message]()
    for message in messages[place + 1 : end]:
        if message.call_id in waiting:
            waiting.discard(message.call_id)
        else:
            kept.append(message)
    return (*messages[: place + 1], *kept, *messages[end:])


def _place(messages: Messages, message_id: str) -> int:
    for place, message in enumerate(messages):
        if message.id == message_id:
            return place
    text = Text("There is no such message in the working copy.", "В рабочей копии нет такого сообщения.")
    raise EditRefusedError("no_such_message", text, message_id, "message_id")


def _put(messages: Messages, place: int, message: Message) -> Messages:
    return (*messages[:place], message, *messages[place + 1 :])


def _edit_text(messages: Messages, edit: EditText, setting: Setting) -> Messages:
    place = _place(messages, edit.message_id)
    message = messages[place]
    if edit.content is None and not message.calls:
        text = Text("Only an answer with function calls may be without text.",
                    "Без текста может быть только ответ с вызовом функции.")  # fmt: skip
        raise EditRefusedError("content_missing", text, message.id, "content")
    changed = replace(message, content=edit.content)
    hint = edit.hint
    if hint is None:
        first = setting.original.get(message.id) if setting.own and message.role == "user" else None
        first_text = first_sent(first).text() if first else None
        hint = after_edit(first_text, message.text(), changed.text(), message.hint)
    return _put(messages, place, _marked(changed, hint))


def _marked(message: Message, hint: tuple[Span, ...]) -> Message:
    length = len(message.text())
    if any(not span.start < span.end <= length for span in hint):
        text = Text("The hint must be a stretch of the content.", "Подсказка должна лежать внутри текста.")
        raise EditRefusedError("hint_outside_content", text, message.id, "hint")
    return replace(message, hint=hint)


def _mark_hint(messages: Messages, edit: MarkHint, _: Setting) -> Messages:
    place = _place(messages, edit.message_id)
    return _put(messages, place, _marked(messages[place], edit.hint))


def _restore(messages: Messages, edit: Restore, setting: Setting) -> Messages:
    place = _place(messages, edit.message_id)
    first = setting.original.get(edit.message_id)
    if first is None:
        text = Text("The message was inserted: there is no earlier form of it.",
                    "Сообщение вставлено вручную: прежнего вида у него нет.")  # fmt: skip
        raise EditRefusedError("not_in_original", text, edit.message_id, "message_id")
    return _put(messages, place, replace(first_sent(first), weight=messages[place].weight))


def _edit_call(messages: Messages, edit: EditCall, setting: Setting) -> Messages:
    place = _place(messages, edit.message_id)
    message = messages[place]
    if edit.call_id not in {call.id for call in message.calls}:
        text = Text("The message makes no such call.", "В сообщении нет такого вызова.")
        raise EditRefusedError("no_such_call", text, message.id, "call_id")
    calls = tuple(
        replace(call, arguments=edit.arguments) if call.id == edit.call_id else call for call in message.calls
    )
    for call in calls:
        if call.id == edit.call_id:
            _check_arguments(call, setting, message.id, "arguments")
    return _put(messages, place, replace(message, calls=calls))


def _check_arguments(call: Call, setting: Setting, message_id: str, field: str) -> None:
    if json_object(call.arguments) is None:
        text = Text("Arguments must be a JSON object.", "Аргументы должны быть объектом JSON.")
        raise EditRefusedError("arguments_not_json", text, message_id, field)
    wrong = [place for place, _ in setting.functions.misses(call.name, call.arguments)]
    if wrong:
        text = Text("The arguments do not fit the function's parameters.",
                    "Аргументы не подходят к параметрам функции.")  # fmt: skip
        raise EditRefusedError("arguments_do_not_fit", text, message_id, field, places=wrong)


def _delete(messages: Messages, edit: Delete, _: Setting) -> Messages:
    place = _place(messages, edit.message_id)
    calls = {call.id for call in messages[place].calls} if edit.with_answers else set()
    left = without_answers(messages, place, calls)
    return (*left[:place], *left[place + 1 :])


def _insert(messages: Messages, edit: Insert, setting: Setting) -> Messages:
    if any(message.id == edit.message.id for message in messages):
        text = Text("This message id is taken.", "Этот идентификатор сообщения уже занят.")
        raise EditRefusedError("message_id_taken", text, edit.message.id, "message.id")
    if len(messages) >= MAX_MESSAGES:
        text = Text(f"An example may hold {MAX_MESSAGES} messages.",
                    f"В примере может быть {MAX_MESSAGES} сообщений.")  # fmt: skip
        raise EditRefusedError("too_many_messages", text, None, "message")
    for number, call in enumerate(edit.message.calls):
        _check_arguments(call, setting, edit.message.id, f"message.tool_calls.{number}.function.arguments")
    place = 0 if edit.after is None else _place(messages, edit.after) + 1
    return (*messages[:place], edit.message, *messages[place:])


def _set_weight(messages: Messages, edit: SetWeight, _: Setting) -> Messages:
    place = _place(messages, edit.message_id)
    if not messages[place].is_answer:
        text = Text("Only an answer can teach.", "Учить может только ответ.")
        raise EditRefusedError("not_an_answer", text, edit.message_id, "weight")
    return _put(messages, place, replace(messages[place], weight=edit.weight))


_ACTS: dict[type, Callable[[Messages, Any, Setting], Messages]] = {
    EditText: _edit_text,
    MarkHint: _mark_hint,
    Restore: _restore,
    EditCall: _edit_call,
    Delete: _delete,
    Insert: _insert,
    SetWeight: _set_weight,
}
