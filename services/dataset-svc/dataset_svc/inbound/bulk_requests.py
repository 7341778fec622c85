"""One action on many examples."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from contracts.event import Label, OpaqueId
from dataset_svc.domain.filter import Filter, State
from dataset_svc.inbound.requests import Moment, Request, Tags, TagText, Weight


class FilterIn(Request):
    """Which examples are meant; without a state all but the removed."""

    state: State | None = None
    tag: TagText | None = None
    rating: Literal["good", "bad", "none"] | None = None
    teaches: Literal["none", "some", "all"] | None = None
    source: Literal["live", "test"] | None = None
    dialog_id: OpaqueId | None = None
    changed_by: Label | None = None
    changed_from: Moment | None = None
    changed_to: Moment | None = None
    unsaved: bool | None = None
    copied: bool | None = None
    group: UUID | None = None
    finding: Label | None = None
    q: Label | None = None


class Bulk(Request):
    """One action on many examples, by their ids or by a filter that is evaluated once."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)] | None = None
    filter: FilterIn | None = None
    action: Literal["save", "remove", "restore", "add_tags", "remove_tags", "set_weights", "pseudonymise"]
    tags: Annotated[Tags, Field(min_length=1)] | None = None
    weight: Weight | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Bulk:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give ids or filter")
        if (self.tags is not None) != self.action.endswith("_tags"):
            raise ValueError("tags belong to add_tags and remove_tags")
        if self.weight is not None and self.action != "set_weights":
            raise ValueError("weight belongs to set_weights")
        return self

    def meant(self) -> Filter:
        """Return the filter; a restore without a state means the removed."""
        given = self.filter.model_dump() if self.filter else {}
        if self.action == "restore" and given.get("state") is None:
            given["state"] = "removed"
        return Filter(**given)

    def arguments(self) -> dict[str, Any]:
        """Return what the action needs besides the examples."""
        of: dict[str, dict[str, Any]] = {
            "add_tags": {"add": self.tags},
            "remove_tags": {"remove": self.tags},
            "set_weights": {"weight": self.weight},
        }
        return of.get(self.action, {})
