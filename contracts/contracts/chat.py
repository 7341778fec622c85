"""What is said in a dialog: published by the chat backend, or by agent-svc's gateway."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from contracts.event import Count, Event, Label, OpaqueId, Text, Timestamp, Value, Version, absent

Role = Literal["user", "assistant", "tool", "system"]
Author = Literal["client", "model", "operator", "automation"]
Source = Literal["live", "test"]
Rating = Literal["good", "bad"]
Rater = Literal["client", "operator", "owner"]
CallId = Annotated[str, Field(min_length=1, max_length=512)]


class FunctionCall(Value):
    """A function that the model wants called; arguments are JSON text as the model wrote it."""

    name: Label
    arguments: str


class ToolCall(Value):
    """One entry of an answer's `tool_calls`, in OpenAI's form."""

    id: CallId
    type: Literal["function"] = "function"
    function: FunctionCall


class ContentPart(Value):
    """One part of a message (text, image_url, …); what a part holds beyond its text is kept as sent."""

    model_config = ConfigDict(extra="allow")

    type: Label
    text: Annotated[str | None, Field(exclude_if=absent)] = None

    @model_validator(mode="after")
    def _text_part_has_text(self) -> Self:
        if self.type == "text" and self.text is None:
            raise ValueError("a text part needs text")
        return self


Content = str | tuple[ContentPart, ...] | None


class HintSpan(Value):
    """A stretch of the content that is a hint: code points, the end exclusive."""

    start: Count
    end: Count


class ChatMessage(Value):
    """One message of a dialog."""

    id: OpaqueId
    role: Role
    author: Author | None = None
    content: Content = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_call_id: CallId | None = None
    name: Label | None = None
    at: Timestamp
    model: Label | None = None
    hint: tuple[HintSpan, ...] | None = None

    def text(self) -> str:
        """The content as text: of parts, the text ones joined."""
        return content_text(self.content)

    @model_validator(mode="after")
    def _role_fits(self) -> Self:
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a tool message needs tool_call_id")
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("only an assistant message with tool_calls may have no content")
        if self.hint:
            _check_spans(self.hint, len(self.text()))
        return self


def content_text(content: str | Sequence[ContentPart] | None) -> str:
    """The text of a message's content; hints count their code points in it."""
    if isinstance(content, str):
        return content
    return "".join(part.text or "" for part in content or ())


def _check_spans(spans: Sequence[HintSpan], length: int) -> None:
    if any(not span.start < span.end <= length for span in spans):
        raise ValueError("a hint must be a stretch of the content")


class ChatClient(Value):
    """Who the client is, without saying who."""

    pseudonym: OpaqueId


class MessagePosted(Event):
    """A message was added to a dialog, or replaced an earlier one and what followed it.

    With `replaces`, `after` means nothing.
    """

    TYPE: ClassVar[str] = "chat.message_posted.v1"
    TOPIC: ClassVar[str] = "chat.events"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    agent_id: OpaqueId
    agent_version: Version | None = None
    message: ChatMessage
    replaces: OpaqueId | None = None
    after: OpaqueId | None = None
    """The message that this one follows, where that is not the newest: it goes on with another branch."""
    source: Source
    channel: Label | None = None
    client: ChatClient | None = None


class DialogEnded(Event):
    """The dialog is over, as the chat backend sees it."""

    TYPE: ClassVar[str] = "chat.dialog_ended.v1"
    TOPIC: ClassVar[str] = "chat.events"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    agent_id: OpaqueId
    outcome: Label | None = None
    at: Timestamp


class DialogRatedInChat(Event):
    """Somebody rated the dialog, or one answer of it."""

    TYPE: ClassVar[str] = "chat.dialog_rated.v1"
    TOPIC: ClassVar[str] = "chat.events"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    message_id: OpaqueId | None = None
    rating: Rating
    comment: Text | None = None
    by: Rater
