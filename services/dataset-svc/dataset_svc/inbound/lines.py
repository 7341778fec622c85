"""Lines of an import: OpenAI's chat format, and ours with everything that is known of an example."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chassis.errors import Problem, Text
from chassis.observability import mask
from contracts.chat import Author
from contracts.event import NO_NUL, Label, OpaqueId, Version
from dataset_svc.domain import edits, labels
from dataset_svc.domain.incoming import Incoming
from dataset_svc.domain.message import Message, Messages, Span
from dataset_svc.inbound.requests import MessageIn, SpanIn, Tags, check_ids

Format = Literal["openai", "json"]
Rater = Literal["client", "operator", "owner"]
Ratings = dict[Annotated[str, Field(max_length=128, pattern=NO_NUL)], dict[Rater, Literal["good", "bad"]]]


class LineMessage(MessageIn):
    """A message of a line. What is null counts as not there; other unknown fields are refused."""

    author: Author | None = None
    at: Annotated[str, Field(max_length=64, pattern=NO_NUL)] | None = None
    model: Label | None = None
    agent_version: Version | None = None
    hint: Annotated[list[SpanIn], Field(max_length=100)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(
            data, dict
        ) else data  # fmt: skip

    @model_validator(mode="after")
    def _hint_inside(self) -> LineMessage:
        length = len(super().message().text())
        if any(not span.start < span.end <= length for span in self.hint or ()):
            raise ValueError("a hint must be a stretch of the content")
        return self

    def message(self) -> Message:
        """Return the message."""
        return replace(
            super().message(), author=self.author, at=self.at, model=self.model,
            agent_version=self.agent_version,
            hint=tuple(Span(one.start, one.end) for one in self.hint or ()),
        )  # fmt: skip


LineMessages = Annotated[list[LineMessage], Field(min_length=1, max_length=edits.MAX_MESSAGES)]


class OpenAiLine(BaseModel):
    """A line of OpenAI's chat format: prompt and functions are the agent's, so `tools` is not taken."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    messages: LineMessages

    @model_validator(mode="after")
    def _ids(self) -> OpenAiLine:
        check_ids(self.messages)
        return self

    def incoming(self) -> Incoming:
        """Return the example."""
        messages = _messages(self.messages)
        return Incoming(_without_weights(messages), messages, messages)


class OurLine(OpenAiLine):
    """A line of our own export: the working copy with everything that is known of the example."""

    state: Literal["draft", "saved"] = "saved"
    dialog_id: OpaqueId | None = None
    branch: OpaqueId | None = None
    copied_dialog_id: OpaqueId | None = None
    source: Literal["live", "test"] | None = None
    origin_revision: Version | None = None
    ratings: Annotated[Ratings, Field(max_length=edits.MAX_MESSAGES)] = Field(default_factory=dict)
    note: Annotated[str, Field(max_length=10_000, pattern=NO_NUL)] = ""
    tags: Tags = Field(default_factory=list)
    original: LineMessages | None = None
    saved: LineMessages | None = None

    @model_validator(mode="after")
    def _more_ids(self) -> OurLine:
        for messages in (self.original, self.saved):
            check_ids(messages or [])
        if self.dialog_id is not None and self.copied_dialog_id is not None:
            raise ValueError("a copy has no dialog of its own")
        return self

    def incoming(self) -> Incoming:
        """Return the example."""
        draft = _messages(self.messages)
        ratings: dict[str, dict[str, str]] = {
            rated: {str(rater): str(rating) for rater, rating in by.items()}
            for rated, by in self.ratings.items()
        }
        return Incoming(
            _messages(self.original) if self.original else _without_weights(draft), draft,
            _messages(self.saved) if self.saved else draft,
            self.state, self.dialog_id, self.branch or "", self.source, self.origin_revision, ratings,
            self.note, labels.retag((), self.tags, ()), self.copied_dialog_id,
        )  # fmt: skip


FORMATS: dict[str, type[OpenAiLine]] = {"openai": OpenAiLine, "json": OurLine}


def read_line(raw: bytes, form: str) -> Incoming:
    """Return the example that a line describes; raises a 422 Problem that never repeats the line."""
    try:
        return FORMATS[form].model_validate_json(raw).incoming()
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        raise Problem(422, "not_json", Text("The line is not JSON.", "Строка — не JSON."))
    field = mask(".".join(map(str, first["loc"])))[:200]  # an unknown field's name is input too
    raise Problem(
        422, "invalid_line",
        Text(f"The field {field or 'messages'} is not acceptable ({first['type']}).",
             f"Поле {field or 'messages'} заполнено неверно ({first['type']})."),
        field=field or None,
    )  # fmt: skip


def _messages(given: list[LineMessage]) -> Messages:
    return tuple(one.message() for one in given)


def _without_weights(messages: Messages) -> Messages:
    return tuple(replace(one, weight=None) for one in messages)
