"""A line of an import, read: an example to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dataset_svc.domain.message import Messages


@dataclass(frozen=True, slots=True)
class Incoming:
    """An example as a file describes it; `saved` is what counts in the dataset, None for a draft.

    A copy has no dialog of its own but a `copied_dialog_id`, whose erasure takes it along.
    """

    original: Messages
    draft: Messages
    saved: Messages | None = None
    state: Literal["draft", "saved"] = "saved"
    dialog_id: str | None = None
    branch: str = ""
    source: str | None = None
    origin_revision: int | None = None
    ratings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    note: str = ""
    tags: tuple[str, ...] = ()
    copied_dialog_id: str | None = None

    @property
    def origin(self) -> str | None:
        """The dialog that the words came of."""
        return self.dialog_id or self.copied_dialog_id
