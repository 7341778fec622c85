"""What the editor's forms send. `version` is the revision of the copy that it was typed on."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(max_length=128)]
Text = Annotated[str, Field(max_length=400_000)]
Reason = Annotated[str, Field(max_length=1_000)]


class OnVersion(BaseModel):
    """Something that is done to the copy that somebody saw."""

    model_config = ConfigDict(hide_input_in_errors=True)

    version: Annotated[int, Field(ge=0, le=2**62)]


class TextForm(OnVersion):
    """A message's texts; `mark`: what is to be done to the hint, of the stretch that was chosen."""

    message_id: Id
    text: Annotated[list[Text], Field(max_length=100)] = Field(default_factory=list)
    mark: Literal["", "add", "remove"] = ""
    start: Annotated[int, Field(ge=0, le=2**31)] = 0
    end: Annotated[int, Field(ge=0, le=2**31)] = 0


class ArgumentsForm(OnVersion):
    """A function call's arguments."""

    message_id: Id
    call_id: Annotated[str, Field(max_length=512)]
    text: Text = ""


class InsertForm(OnVersion):
    """A new message; `kind` is user, assistant, or `tool:` and the call that it answers."""

    after: Id = ""
    kind: Annotated[str, Field(max_length=520)] = "assistant"
    text: Text = ""


class DoForm(OnVersion):
    """One click: about a message, or about the whole copy."""

    op: Literal["delete", "restore", "weight", "undo", "redo", "discard", "revert", "extend", "bring-back"]
    message_id: Id = ""
    weight: Annotated[int, Field(ge=0, le=1)] = 1
    revision: Annotated[int, Field(ge=0, le=2**62)] = 0


class SaveForm(OnVersion):
    """SAVE, or out of the dataset."""

    op: Literal["save", "remove"] = "save"


class UndoForm(BaseModel):
    """Which call is to be undone."""

    operation_id: UUID


class FixForm(OnVersion):
    """A finding's fix."""

    code: Annotated[str, Field(max_length=64)]
    fix: Annotated[str, Field(max_length=64)]
    message_id: Id = ""
    value: Annotated[str, Field(max_length=128)] = ""


class AcceptForm(BaseModel):
    """A warning that is accepted, and why; without a reason it counts again."""

    model_config = ConfigDict(hide_input_in_errors=True)

    code: Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]
    why: Reason = ""


class AllowForm(BaseModel):
    """A value that is no personal data, and why."""

    model_config = ConfigDict(hide_input_in_errors=True)

    dataset_id: UUID
    kind: Annotated[str, Field(max_length=32)]
    text: Annotated[str, Field(min_length=1, max_length=256)]
    why: Reason = ""
    message_id: Id = ""


class LabelsForm(OnVersion):
    """Note and tags; tags are parted by commas."""

    note: Annotated[str, Field(max_length=10_000)] = ""
    tags: Annotated[str, Field(max_length=4_000)] = ""

    def wanted(self) -> list[str]:
        """Return the tags, each once."""
        return list(dict.fromkeys(one for one in (part.strip() for part in self.tags.split(",")) if one))
