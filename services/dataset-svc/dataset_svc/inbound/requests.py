"""What callers may send: strict models that never repeat what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from uuid_utils.compat import uuid7

from contracts.chat import ContentPart
from contracts.event import BIGINT, NO_NUL, Label, OpaqueId, Version
from dataset_svc.domain import edits, labels
from dataset_svc.domain.filter import Filter, State
from dataset_svc.domain.message import Call, Content, Message, Messages, Span

Words = Annotated[str, Field(max_length=400_000, pattern=NO_NUL)]
CallId = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
Parts = Annotated[list[ContentPart], Field(min_length=1, max_length=100)]


def _written_out(value: object) -> object:
    """Refuse seconds since 1970, which pydantic would take for a time."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("a time as RFC 3339 writes it")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Weight = Annotated[int, Field(ge=0, le=1)]
TagText = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f,]([^\x00-\x1f,]{0,62}[^\s\x00-\x1f,])?$")]
"""A tag: 1 to 64 characters without commas, no blanks at its ends."""
Tags = Annotated[list[TagText], Field(max_length=labels.MAX_TAGS)]


class Request(BaseModel):
    """Base of all requests."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FunctionIn(Request):
    """The function of a call."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    arguments: Words


class CallIn(Request):
    """A function call in OpenAI's form."""

    id: CallId
    type: Literal["function"] = "function"
    function: FunctionIn


class SpanIn(Request):
    """A stretch of the content, in code points."""

    start: Annotated[int, Field(ge=0, le=BIGINT)]
    end: Annotated[int, Field(ge=1, le=BIGINT)]


class MessageIn(Request):
    """A message in OpenAI's form; without an id it is given one."""

    id: OpaqueId | None = None
    role: Literal["user", "assistant", "tool", "system"]
    content: Words | Parts | None = None
    tool_calls: Annotated[list[CallIn], Field(max_length=128)] | None = None
    tool_call_id: CallId | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    weight: Weight | None = None

    @model_validator(mode="after")
    def _role_fits(self) -> MessageIn:
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a tool message needs tool_call_id")
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("only an answer with tool_calls may have no content")
        if self.role != "assistant" and (self.tool_calls or self.weight is not None):
            raise ValueError("only an answer has tool_calls and weight")
        return self

    def message(self) -> Message:
        """Return the message."""
        return Message(
            id=self.id or str(uuid7()),
            role=self.role,
            content=content(self.content),
            calls=tuple(
                Call(one.id, one.function.name, one.function.arguments) for one in self.tool_calls or ()
            ),
            call_id=self.tool_call_id if self.role == "tool" else None,
            name=self.name,
            weight=self.weight,
        )


def content(given: str | list[ContentPart] | None) -> Content:
    """Return a content as the domain holds it."""
    if isinstance(given, list):
        return tuple(part.model_dump(mode="json") for part in given)
    return given


def check_ids(messages: Sequence[MessageIn]) -> None:
    """Refuse messages of which two have the same id; raises ValueError."""
    given = [one.id for one in messages if one.id is not None]
    if len(set(given)) < len(given):
        raise ValueError("two messages have the same id")


class NewExample(Request):
    """A dialog's revision, another agent's example, or messages written by hand."""

    dialog_id: OpaqueId | None = None
    revision: Version | None = None
    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=edits.MAX_MESSAGES)] | None = None
    from_example_id: UUID | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> NewExample:
        given = [one for one in (self.dialog_id, self.messages, self.from_example_id) if one is not None]
        if len(given) != 1 or (self.dialog_id is None) != (self.revision is None):
            raise ValueError("give dialog_id and revision, or messages, or from_example_id")
        check_ids(self.messages or [])
        return self

    def written(self) -> Messages:
        """Return the messages written by hand."""
        return tuple(one.message() for one in self.messages or ())


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


class FilterIn(Request):
    """Which examples are meant; without a state all but the removed."""

    state: State | None = None
    tag: TagText | None = None
    rating: Literal["good", "bad", "none"] | None = None
    teaches: Literal["none", "some", "all"] | None = None
    source: Literal["live", "test"] | None = None
    dialog_id: OpaqueId | None = None
    changed_by: Label | None = None
    changed_from: Moment | None = None
    changed_to: Moment | None = None
    unsaved: bool | None = None
    copied: bool | None = None


class Bulk(Request):
    """One action on many examples, by their ids or by a filter that is evaluated once."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)] | None = None
    filter: FilterIn | None = None
    action: Literal["save", "remove", "restore", "add_tags", "remove_tags", "set_weights"]
    tags: Annotated[Tags, Field(min_length=1)] | None = None
    weight: Weight | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Bulk:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give ids or filter")
        if (self.tags is not None) != self.action.endswith("_tags"):
            raise ValueError("tags belong to add_tags and remove_tags")
        if self.weight is not None and self.action != "set_weights":
            raise ValueError("weight belongs to set_weights")
        return self

    def meant(self) -> Filter:
        """Return the filter; a restore without a state means the removed."""
        given = self.filter.model_dump() if self.filter else {}
        if self.action == "restore" and given.get("state") is None:
            given["state"] = "removed"
        return Filter(**given)

    def arguments(self) -> dict[str, Any]:
        """Return what the action needs besides the examples."""
        of: dict[str, dict[str, Any]] = {
            "add_tags": {"add": self.tags},
            "remove_tags": {"remove": self.tags},
            "set_weights": {"weight": self.weight},
        }
        return of.get(self.action, {})
