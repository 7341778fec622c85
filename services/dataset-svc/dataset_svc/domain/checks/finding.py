"""A finding: what is wrong where, in a form that is stored and told in any language."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from chassis.errors import Text
from dataset_svc.domain.checks.catalogue import CODES, Severity
from dataset_svc.domain.message import Span


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A stable code, the message and the field; `facts` fill the words and never hold a message's text."""

    code: str
    message_id: str | None = None
    field: str | None = None
    at: Span | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """Whether it keeps the example out, must be confirmed, or only tells."""
        return CODES[self.code].severity

    @property
    def text(self) -> Text:
        """What a person reads."""
        return CODES[self.code].text(dict(self.facts))

    @property
    def fixes(self) -> tuple[str, ...]:
        """The fixes that one call applies."""
        return CODES[self.code].fixes

    def stored(self) -> dict[str, Any]:
        """Return the JSON form, without the words."""
        place: dict[str, Any] = {"message_id": self.message_id, "field": self.field, "facts": self.facts}
        if self.at is not None:
            place |= {"start": self.at.start, "end": self.at.end}
        return place


def finding_of(code: str, place: Mapping[str, Any]) -> Finding:
    """Return the finding of its stored form."""
    at = Span(place["start"], place["end"]) if place.get("start") is not None else None
    return Finding(code, place["message_id"], place["field"], at, place["facts"])
