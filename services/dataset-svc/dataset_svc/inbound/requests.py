"""What callers may send: strict models that never repeat what was sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from uuid_utils.compat import uuid7

from contracts.chat import ContentPart
from contracts.event import BIGINT, NO_NUL, OpaqueId, Version
from dataset_svc.domain import edits
from dataset_svc.domain.message import Call, Content, Message, Messages, Span

Words = Annotated[str, Field(max_length=400_000, pattern=NO_NUL)]
CallId = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
Parts = Annotated[list[ContentPart], Field(min_length=1, max_length=100)]
Weight = Annotated[int, Field(ge=0, le=1)]


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


class NewExample(Request):
    """A dialog's revision, or messages written by hand."""

    dialog_id: OpaqueId | None = None
    revision: Version | None = None
    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=edits.MAX_MESSAGES)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> NewExample:
        if (self.messages is None) == (self.dialog_id is None) or (
            (self.dialog_id is None) != (self.revision is None)
        ):
            raise ValueError("give dialog_id and revision, or messages")
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


OperationIn = Annotated[EditIn | EditCallIn | DeleteIn | InsertIn | WeightIn, Field(discriminator="op")]


class Patch(Request):
    """Operations on a working copy, done in order, all or none."""

    operations: Annotated[list[OperationIn], Field(min_length=1, max_length=500)]
