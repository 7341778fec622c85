"""Operations of a PATCH, and going back to a revision."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contracts.event import BIGINT, NO_NUL, OpaqueId
from dataset_svc.domain import edits, labels
from dataset_svc.domain.message import Span
from dataset_svc.inbound.requests import (
    CallId,
    MessageIn,
    Parts,
    Request,
    SpanIn,
    Tags,
    Weight,
    Words,
    content,
)


class EditIn(Request):
    """Another content for a message."""

    op: Literal["edit"]
    message_id: OpaqueId
    content: Words | Parts | None
    hint: Annotated[list[SpanIn], Field(max_length=100)] | None = None

    def operation(self) -> edits.Operation:
        """Return the operation."""
        spans = None if self.hint is None else tuple(Span(one.start, one.end) for one in self.hint)
        return edits.EditText(self.message_id, content(self.content), spans)


class HintIn(Request):
    """Widen, narrow or (empty) remove a hint's mark."""

    op: Literal["hint"]
    message_id: OpaqueId
    hint: Annotated[list[SpanIn], Field(max_length=100)]

    def operation(self) -> edits.Operation:
        """Return the operation."""
        return edits.MarkHint(self.message_id, tuple(Span(one.start, one.end) for one in self.hint))


class RestoreIn(Request):
    """Give a message back as first sent."""

    op: Literal["restore"]
    message_id: OpaqueId

    def operation(self) -> edits.Operation:
        """Return the operation."""
        return edits.Restore(self.message_id)


class EditCallIn(Request):
    """Other arguments for a function call."""

    op: Literal["edit_call"]
    message_id: OpaqueId
    call_id: CallId
    arguments: Words

    def operation(self) -> edits.Operation:
        """Return the operation."""
        return edits.EditCall(self.message_id, self.call_id, self.arguments)


class DeleteIn(Request):
    """Delete a message, with the answers to its calls if wanted."""

    op: Literal["delete"]
    message_id: OpaqueId
    with_answers: bool = False

    def operation(self) -> edits.Operation:
        """Return the operation."""
        return edits.Delete(self.message_id, self.with_answers)


class InsertIn(Request):
    """Insert a message; `after` null puts it first."""

    op: Literal["insert"]
    after: OpaqueId | None
    message: MessageIn

    def operation(self) -> edits.Operation:
        """Return the operation."""
        return edits.Insert(self.after, self.message.message())


class WeightIn(Request):
    """Let an answer teach or not; null goes back to the default."""

    op: Literal["weight"]
    message_id: OpaqueId
    weight: Weight | None

    def operation(self) -> edits.Operation:
        """Return the operation."""
        return edits.SetWeight(self.message_id, self.weight)


class NoteIn(Request):
    """Write a note for oneself; an empty one removes it."""

    op: Literal["note"]
    text: Annotated[str, Field(max_length=10_000, pattern=NO_NUL)]

    def operation(self) -> labels.SetNote:
        """Return the operation."""
        return labels.SetNote(self.text)


class TagsIn(Request):
    """Add and remove tags."""

    op: Literal["tags"]
    add: Tags = Field(default_factory=list)
    remove: Tags = Field(default_factory=list)

    def operation(self) -> labels.SetTags:
        """Return the operation."""
        return labels.SetTags(tuple(self.add), tuple(self.remove))


OperationIn = Annotated[
    EditIn | HintIn | RestoreIn | EditCallIn | DeleteIn | InsertIn | WeightIn | NoteIn | TagsIn,
    Field(discriminator="op"),
]


class Patch(Request):
    """Operations on a working copy, done in order, all or none."""

    operations: Annotated[list[OperationIn], Field(min_length=1, max_length=500)]


class Revert(Request):
    """Which saved revision to go back to; 0 is the original."""

    revision: Annotated[int, Field(ge=0, le=BIGINT)]
