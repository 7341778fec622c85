"""What an owner can do in a test chat; each returns the messages that become answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from uuid_utils.compat import uuid7

from agent_svc.domain import chat_errors as errors
from agent_svc.domain.chat_tree import Chat, Node
from agent_svc.domain.words import Span, added


def _new(role: Any, parent: str | None, column: int | None, **more: Any) -> Node:
    more = {"status": "said"} | more
    return Node(id=str(uuid7()), parent=parent, position=0, column=column, role=role, **more)


def say(chat: Chat, content: str, column: int | None) -> list[Node]:
    """Say something as the client, at the end of each column's branch; returns what must be answered."""
    asked = []
    for end, columns in chat.groups(column):
        if calls := chat.open_calls(end):
            raise errors.calls_unanswered([call.name for call in calls])
        node = chat.add(_new("user", end, chat.shared(columns), content=content, first=content))
        asked += _ask(chat, node, columns)
    return asked


def answer_call(chat: Chat, call_id: str | None, content: str, column: int | None) -> list[Node]:
    """Answer a function call in the function's place; the model is asked once all are answered.

    Without `call_id` the only open call is meant.
    """
    found = [(end, columns, chat.open_calls(end)) for end, columns in chat.groups(column)]
    waiting = [(end, columns, calls) for end, columns, calls in found if calls]
    meant = [one for one in waiting if call_id is None or call_id in {call.id for call in one[2]}]
    if not meant:
        raise errors.no_open_call()
    if call_id is None and (len(meant) > 1 or len(meant[0][2]) > 1):
        raise errors.call_not_named()
    end, columns, calls = meant[0]
    node = chat.add(
        _new(
            "tool", end, chat.shared(columns), content=content, call_id=call_id or calls[0].id, first=content
        )
    )
    for each in columns:
        chat.active[each] = node.id
    return [] if chat.open_calls(node.id) else _ask(chat, node, columns)


def edit(chat: Chat, message_id: str, content: str, hint: Sequence[Span] | None) -> list[Node]:
    """Say one's own message in other words: what follows is asked again, the old branch stays.

    Without `hint` it is the words that the message as first sent has not; functions' answers have none.
    """
    old = chat.known(message_id)
    if old.role == "assistant":
        raise errors.not_your_own()
    if any(not 0 <= span.start < span.end <= len(content) for span in hint or ()):
        raise errors.hint_outside()
    columns = chat.columns_of(old)
    first = old.first if old.first is not None else old.content or ""
    marked: tuple[Span, ...] = ()
    if old.role == "user":
        marked = tuple(hint) if hint is not None else added(first, content)
    said = _new(
        old.role, old.parent, old.column, content=content, call_id=old.call_id, first=first, hint=marked,
        edited=old.id,
    )  # fmt: skip
    node = chat.add(said)
    for copy in _answers_after(chat, old, columns):
        node = chat.add(replace(copy, id=str(uuid7()), parent=node.id, edited=None, branch=None))
    for each in columns:
        chat.active[each] = node.id
    return [] if chat.open_calls(node.id) else _ask(chat, node, columns)


def _answers_after(chat: Chat, node: Node, columns: Sequence[int]) -> Iterator[Node]:
    """Yield the function answers that follow another one: they answer calls of the same message."""
    leaf = chat.newest_leaf(node.id, columns[0])
    for later in chat.path(leaf)[len(chat.path(node.id)) :]:
        if node.role != "tool" or later.role != "tool":
            return
        yield later


def ask_again(chat: Chat, message_id: str, *, stale: bool) -> list[Node]:
    """Ask again for an answer: a failed one in its place, another one beside an answer that was given.

    `stale` says that an answer under way is given up.
    """
    node = chat.known(message_id)
    if node.role != "assistant":
        raise errors.not_an_answer()
    if node.status == "asking" and not stale:
        raise errors.still_answering()
    if node.status == "answered":
        beside = _new("assistant", node.parent, node.column, status="asking")
        again = chat.add(beside)
    else:
        again = chat.change(replace(node, status="asking", attempt=node.attempt + 1, error=None))
    for each in chat.columns_of(again):
        chat.active[each] = again.id
    return [again]


def activate(chat: Chat, message_id: str) -> None:
    """Remember the branch through a message, in each column that it belongs to."""
    node = chat.known(message_id)
    for each in chat.columns_of(node):
        chat.active[each] = chat.newest_leaf(node.id, each)


def _ask(chat: Chat, question: Node, columns: Sequence[int]) -> list[Node]:
    asked = []
    for each in columns:
        column = None if len(chat.columns) == 1 else each
        node = chat.add(_new("assistant", question.id, column, status="asking"))
        chat.active[each] = node.id
        asked.append(node)
    return asked
