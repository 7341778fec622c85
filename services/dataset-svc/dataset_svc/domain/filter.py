"""Which of a dataset's examples are meant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

State = Literal["draft", "saved", "removed"]


@dataclass(frozen=True, slots=True)
class Filter:
    """What an example must be; None leaves it open. Without a state all but the removed are meant.

    `rating` is that of the whole dialog, by the rater who counts; `teaches` says how many of the
    answers do; `unsaved`, whether the working copy differs from what was saved; `group`, which
    group of near duplicates it is in; `finding`, a code that was found in it and not dismissed;
    `q`, words as they stand in the working copy, its note, its tags or the dialog's id.
    """

    state: State | None = None
    tag: str | None = None
    rating: Literal["good", "bad", "none"] | None = None
    teaches: Literal["none", "some", "all"] | None = None
    source: Literal["live", "test"] | None = None
    dialog_id: str | None = None
    changed_by: str | None = None
    changed_from: datetime | None = None
    changed_to: datetime | None = None
    unsaved: bool | None = None
    copied: bool | None = None
    group: UUID | None = None
    finding: str | None = None
    q: str | None = None

    def columns(self) -> dict[str, Any]:
        """Return what is asked for, as JSON."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | ({"group": str(self.group)} if self.group else {})
