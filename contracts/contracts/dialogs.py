"""Dialogs as others see them: published by dialog-svc on `dialog.completed`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from contracts.chat import ChatMessage, Rater, Rating, Source
from contracts.event import (
    Count,
    Event,
    Label,
    ObjectRef,
    OpaqueId,
    Timestamp,
    UuidId,
    Value,
    Version,
    absent,
)


class TranscriptMessage(ChatMessage):
    """A message of a transcript; an answer also says which version of the agent gave it."""

    agent_version: Version | None = None


class InlineTranscript(Value):
    """The messages themselves; also the form of the object that a `StoredTranscript` points at."""

    messages: tuple[TranscriptMessage, ...]


class StoredTranscript(ObjectRef):
    """A transcript above 256 KiB, in the object store."""


class SameTranscript(Value):
    """The messages are those of an earlier event with this revision."""

    same_as: Version


Transcript = InlineTranscript | StoredTranscript | SameTranscript


class DialogCompleted(Event):
    """A dialog ended, fell silent, or was selected: its transcript as of a revision."""

    TYPE: ClassVar[str] = "dialog.completed.v1"
    TOPIC: ClassVar[str] = "dialog.completed"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    agent_id: OpaqueId
    revision: Version
    reason: Literal["ended", "idle", "selected"]
    open: bool
    branch: OpaqueId | None = None
    source: Source
    outcome: Label | None = None
    started_at: Timestamp
    ended_at: Timestamp
    message_count: Count
    transcript: Transcript

    @model_validator(mode="after")
    def _transcript_fits(self) -> Self:
        transcript = self.transcript
        if isinstance(transcript, InlineTranscript) and len(transcript.messages) != self.message_count:
            raise ValueError("message_count must be the number of messages")
        if isinstance(transcript, SameTranscript) and transcript.same_as > self.revision:
            raise ValueError("same_as must not be a later revision")
        return self


class DialogRated(Event):
    """A rating that dialog-svc took note of."""

    TYPE: ClassVar[str] = "dialog.rated.v1"
    TOPIC: ClassVar[str] = "dialog.completed"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    revision: Version
    message_id: OpaqueId | None = None
    rating: Rating
    by: Rater


class DialogErased(Event):
    """The dialog must be forgotten by everyone who held it."""

    TYPE: ClassVar[str] = "dialog.erased.v1"
    TOPIC: ClassVar[str] = "dialog.completed"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    agent_id: OpaqueId
    requested_at: Timestamp
    reason: Label
    erasure_id: Annotated[UuidId | None, Field(exclude_if=absent)] = None
    """What reports of it name; an erasure without one asks for no report."""


class Holding(Value):
    """Something that held, or was made from, an erased dialog, and what became of it.

    A version is named `{dataset_id}:{number}`. A model cannot unlearn: it is `kept`.
    """

    kind: Literal["example", "version", "run", "provider_file", "model", "test_chat"]
    id: Label
    state: Literal["deleted", "waiting", "kept"]


class DialogForgotten(Event):
    """What a service that held an erased dialog did about it so far: a snapshot, the newest counts.

    Keyed by the erasure, and without the dialog's id: it is kept longer than anything of the dialog.
    """

    TYPE: ClassVar[str] = "dialog.forgotten.v1"
    TOPIC: ClassVar[str] = "dialog.forgotten"
    KEY: ClassVar[str] = "erasure_id"

    erasure_id: UuidId
    service: Label
    state: Literal["waiting", "done"]
    removed: dict[Label, Count] = Field(default_factory=dict)
    held: tuple[Holding, ...] = ()
    at: Timestamp
    heard_at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When an event of the dialog last came and was dropped: its copy in a topic is as young."""
