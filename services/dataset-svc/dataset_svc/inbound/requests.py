"""What callers may send: strict models that never repeat what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from uuid_utils.compat import uuid7

from contracts.chat import ContentPart
from contracts.event import BIGINT, NO_NUL, OpaqueId, Version
from dataset_svc.domain import edits, labels
from dataset_svc.domain.message import Call, Content, Message, Messages

Words = Annotated[str, Field(max_length=400_000, pattern=NO_NUL)]
CallId = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
Parts = Annotated[list[ContentPart], Field(min_length=1, max_length=100)]


def _written_out(value: object) -> object:
    """Refuse seconds since 1970, which pydantic would take for a time."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("a time as RFC 3339 writes it")
    return value


def _in_utc(value: datetime) -> datetime:
    """Refuse what the calendar does not hold in UTC: the database could not store it."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
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
