"""A dialog as it grows: what each event does to it, and which transcript an end publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple

Reason = Literal["ended", "idle", "selected"]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Node(NamedTuple):  # made for each message: a tuple takes a third of a frozen dataclass's time
    """A message's place in the dialog's tree."""

    id: str
    parent: str | None
    branch: str | None
    position: int
    role: str


class Post(NamedTuple):
    """A message as it arrives. `body` is its JSON."""

    id: str
    role: str
    at: datetime
    agent_version: int | None
    body: str
    replaces: str | None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The dialog was complete with this leaf as its last message, at the given message count."""

    leaf: str
    reason: Reason
    outcome: str | None
    ended_at: datetime
    open: bool


@dataclass(frozen=True, slots=True)
class Rating:
    """Somebody's word on the dialog, or on one answer of it."""

    message_id: str | None
    rating: Literal["good", "bad"]
    rater: Literal["client", "operator", "owner"]
    comment: str | None


@dataclass(slots=True)
class Dialog:
    """The state of one dialog while a batch is folded into it.

    `shelf` is where its text lies; `keep_days` chooses it for a new dialog. `heard_at` is when
    its newest message was said, by ce_time and at the latest when the broker took it, and `partition`
    the one that it came from.
    """

    tenant: str
    id: str
    agent_id: str
    source: str
    started_at: datetime
    last_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    rating: str | None = None
    message_count: int = 0
    next_position: int = 0
    leaf: str | None = None
    branch: str | None = None
    revision: int = 0
    channel: str | None = None
    client: str | None = None
    shelf: int = 0
    partition: int = -1
    heard_at: datetime = NEVER
    keep_days: int = 365
    added: list[tuple[Node, Post]] = field(default_factory=list)
    happened: list[Completion | Rating] = field(default_factory=list)

    @property
    def facts(self) -> tuple[str, str, str | None, str | None]:
        """What `know` takes over."""
        return self.agent_id, self.source, self.channel, self.client

    def know(self, agent_id: str, source: str, channel: str | None, client: str | None) -> None:
        """Take over what its first message says of it; a rating or an end may have come before."""
        self.agent_id, self.source, self.channel, self.client = agent_id, source, channel, client

    def post(self, post: Post, known: Mapping[str, Node]) -> Node | None:
        """Add a message; returns its place, or None when it is there already.

        A late message reopens an ended dialog. What `replaces` names stays on its old branch. A message that
        comes `after` another one than the newest begins a branch there.
        """
        if post.id in known:
            return None
        parent, branch = self.leaf, self.branch
        replaced = known.get(post.replaces) if post.replaces else None
        if replaced is not None:
            parent, branch = replaced.parent, post.id
        elif post.after and post.after != self.leaf and post.after in known:
            parent, branch = post.after, post.id
        node = Node(post.id, parent, branch, self.next_position, post.role)
        self.leaf, self.branch = post.id, branch
        self.next_position += 1
        self.message_count += 1
        self.started_at = min(self.started_at, post.at)
        self.last_at = max(self.last_at, post.at)
        self.ended_at = None
        self.added.append((node, post))
        return node

    def end(self, outcome: str | None, at: datetime) -> None:
        """Note that the dialog ended; it completes if it has any message."""
        self.outcome = outcome or self.outcome
        self.ended_at = at
        if self.leaf is not None:
            self.happened.append(Completion(self.leaf, "ended", self.outcome, at, open=False))

    def fall_silent(self) -> None:
        """Note that nobody continued it: over, until a late message comes."""
        if self.leaf is not None:
            self.ended_at = self.last_at
            self.happened.append(Completion(self.leaf, "idle", self.outcome, self.last_at, open=False))

    def hear(self, partition: int, at: datetime) -> None:
        """Note where its newest message came from, and when that was said."""
        self.partition = partition
        self.heard_at = max(self.heard_at, at)

    def rate(self, rating: Rating) -> None:
        """Note a rating; one of the whole dialog is the dialog's."""
        if rating.message_id is None:
            self.rating = rating.rating
        self.happened.append(rating)


def path_to(leaf: str, nodes: Mapping[str, Node]) -> list[Node]:
    """Return the messages from the first one to `leaf`, along parents."""
    path = []
    step: str | None = leaf
    while step is not None:
        node = nodes[step]
        path.append(node)
        step = node.parent
    path.reverse()
    return path


def leaf_of(branch: str | None, nodes: Mapping[str, Node]) -> str | None:
    """Return the last message of a branch (named by the message that began it), or None."""
    members = [node for node in nodes.values() if node.branch == branch]
    return max(members, key=lambda node: node.position).id if members else None


def settled_end(path: Sequence[tuple[str, str, bool]]) -> int:
    """Return how many messages to publish on a selection: up to the last answer without open calls.

    `path` is (id, role, has function calls) a message. Zero when there is no such answer.
    """
    for count in range(len(path), 0, -1):
        _, role, calls = path[count - 1]
        if role == "assistant" and not calls:
            return count
    return 0
