"""What a batch of events says of one dialog in the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Candidate:
    """One revision of a dialog's branch that may become an example.

    The messages are either here (`transcript`, JSON), in object storage (`uri`), or those of an
    earlier revision (`same_as`).
    """

    dialog_id: str
    revision: int
    branch: str
    agent_id: str
    source: str
    outcome: str | None
    message_count: int
    ended_at: datetime
    transcript: bytes | None = None
    uri: str | None = None
    sha256: str | None = None
    same_as: int | None = None


@dataclass(slots=True)
class Dialog:
    """The final state of one dialog after a batch: what an erasure touches is gone, whatever came when."""

    tenant: str
    id: str
    erased_at: datetime | None = None
    erasure_id: UUID | None = None
    candidates: dict[tuple[int, str], Candidate] = field(default_factory=dict)
    ratings: dict[tuple[str, str], str] = field(default_factory=dict)

    def complete(self, new: Candidate) -> None:
        """Add a revision; the same one again only tells its newest outcome."""
        key = (new.revision, new.branch)
        known = self.candidates.get(key)
        if known is not None:
            self.candidates[key] = replace(known, outcome=new.outcome, ended_at=new.ended_at)
            return
        earlier = next((one for one in self.candidates.values() if one.revision == new.same_as), None)
        if earlier is not None:
            new = replace(
                new, transcript=earlier.transcript, uri=earlier.uri, sha256=earlier.sha256,
                same_as=earlier.same_as,
            )  # fmt: skip
        self.candidates[key] = new

    def rate(self, message_id: str, rater: str, rating: str) -> None:
        """Keep the newest rating of each rater; `message_id` is "" for the dialog."""
        self.ratings[message_id, rater] = rating
