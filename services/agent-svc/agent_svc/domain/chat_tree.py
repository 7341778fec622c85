"""A test chat: a tree of messages with a remembered branch for each of its one or two columns.

A column asks one model. Messages that both columns share have no column; where their branches part, each
message belongs to one. Nothing is overwritten: an edit and another answer begin a branch beside the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from agent_svc.domain import chat_errors as errors
from agent_svc.domain.words import Span

Status = Literal["said", "asking", "answered", "failed"]
MAX_MESSAGES = 1_000
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """Whom a column asks: what the route says, the base model, or a model by name."""

    use: Literal["route", "base", "model"] = "route"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function that the model wants called; arguments are JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A message and its place.

    `first` holds one's own message as first sent, `branch` is that of chat.events.
    """

    id: str
    parent: str | None
    position: int
    column: int | None
    role: Literal["user", "assistant", "tool"]
    status: Status
    content: str | None = None
    calls: tuple[Call, ...] = ()
    call_id: str | None = None
    hint: tuple[Span, ...] = ()
    first: str | None = None
    edited: str | None = None
    model: str | None = None
    agent_version: int | None = None
    attempt: int = 1
    error: str | None = None
    branch: str | None = None
    at: datetime | None = None


@dataclass(slots=True)
class Chat:
    """A test chat while something is done to it; `added` and `changed` are the nodes to be written."""

    dialog_id: str
    agent_id: str
    title: str
    columns: tuple[Column, ...]
    active: list[str | None]
    next_position: int
    revision: int
    published_leaf: str | None
    nodes: dict[str, Node]
    created_at: datetime | None = None
    changed_at: datetime | None = None
    seen_at: datetime = NEVER
    added: list[Node] = field(default_factory=list)
    changed: list[Node] = field(default_factory=list)

    def path(self, leaf: str | None) -> list[Node]:
        """Return the messages from the first one to `leaf`."""
        found = []
        while leaf is not None:
            found.append(self.nodes[leaf])
            leaf = self.nodes[leaf].parent
        return found[::-1]

    def open_calls(self, leaf: str | None) -> list[Call]:
        """Return the function calls that wait for an answer at the end of a branch, in the model's order."""
        answered = set()
        for node in reversed(self.path(leaf)):
            if node.role == "tool":
                answered.add(node.call_id)
            else:
                return [call for call in node.calls if call.id not in answered]
        return []

    def end_of(self, column: int) -> str | None:
        """Return the last message of a column's branch that counts: a failed answer is not said."""
        leaf = self.active[column]
        node = self.nodes[leaf] if leaf else None
        return node.parent if node is not None and node.status == "failed" else leaf

    def newest_leaf(self, start: str, column: int | None) -> str:
        """Return where the branch through `start` ends: along the newest messages that a column may have."""
        leaf = start
        while True:
            after = [
                node
                for node in self.nodes.values()
                if node.parent == leaf and (column is None or node.column in (None, column))
            ]
            if not after:
                return leaf
            leaf = max(after, key=lambda node: node.position).id

    def add(self, node: Node) -> Node:
        """Put a message into the tree, as the newest one."""
        if len(self.nodes) >= MAX_MESSAGES:
            raise errors.chat_full(MAX_MESSAGES)
        node = replace(node, position=self.next_position)
        self.next_position += 1
        self.nodes[node.id] = node
        self.added.append(node)
        return node

    def change(self, node: Node) -> Node:
        """Write what became of a message."""
        self.nodes[node.id] = node
        self.changed.append(node)
        return node

    def groups(self, column: int | None) -> list[tuple[str | None, tuple[int, ...]]]:
        """Return where the columns stand that are meant: (end of the branch, the columns that share it)."""
        meant = range(len(self.columns)) if column is None else (column,)
        if column is not None and column >= len(self.columns):
            raise errors.no_column()
        if any(self.is_asking(each) for each in meant):
            raise errors.still_answering()
        found: dict[str | None, list[int]] = {}
        for each in meant:
            found.setdefault(self.end_of(each), []).append(each)
        return [(end, tuple(columns)) for end, columns in found.items()]

    def is_asking(self, column: int) -> bool:
        """Tell whether the column's model is answering."""
        leaf = self.active[column]
        return leaf is not None and self.nodes[leaf].status == "asking"

    def shared(self, columns: Sequence[int]) -> int | None:
        """Return the column of a message for these: None when it is all of them."""
        return None if len(columns) == len(self.columns) else columns[0]

    def columns_of(self, node: Node) -> tuple[int, ...]:
        """Return the columns that a message belongs to."""
        return tuple(range(len(self.columns))) if node.column is None else (node.column,)

    def known(self, message_id: str) -> Node:
        """Return a message; raises a 404 Problem."""
        node = self.nodes.get(message_id)
        if node is None:
            raise errors.no_message()
        return node


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes in chat.events: what it replaces, or what it follows if not the newest one."""

    replaces: str | None
    after: str | None
    branch: str | None


def place_of(chat: Chat, node: Node) -> Place:
    """Return where a message goes, by the same rules by which dialog-svc keeps its tree."""
    if node.edited is not None:
        return Place(node.edited, None, node.id)
    if node.parent == chat.published_leaf:
        return Place(None, None, chat.nodes[node.parent].branch if node.parent else None)
    return Place(None, node.parent, node.id)
