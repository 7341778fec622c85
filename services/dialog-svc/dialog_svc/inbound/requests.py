"""What callers may ask and send."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.http import Moment
from contracts.event import NO_NUL, Label, OpaqueId, Text
from dialog_svc.domain.errors import bad_cursor
from dialog_svc.outbound.listing_store import Filter, Place
from dialog_svc.usecases.find_dialogs import Search

INT = 2**31 - 1
Sort = Literal["newest", "oldest", "longest", "shortest"]
Words = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
# a dialog's branch is named by the message that began it; the first one by nothing
Branch = Annotated[str, Field(max_length=128, pattern=NO_NUL)]


class Facts(BaseModel):
    """Which dialogs are meant, by what is known of them; what is left out filters nothing."""

    model_config = ConfigDict(hide_input_in_errors=True)

    agent_id: OpaqueId | None = None
    rating: Literal["good", "bad"] | None = None
    outcome: Label | None = None
    source: Literal["live", "test"] | None = None
    channel: Label | None = None
    model: Label | None = Field(None, description="that gave an answer in the dialog")
    has_functions: bool | None = None
    in_dataset: bool | None = None
    min_messages: Annotated[int, Field(ge=0, le=INT)] | None = None
    start: Moment | None = Field(None, alias="from", description="newest message at or after this time")
    end: Moment | None = Field(None, alias="to", description="newest message before this time")

    def filters(self) -> Filter:
        """Return the filters that were given, by the names that the store knows."""
        names = set(Facts.model_fields)
        return self.model_dump(mode="json", by_alias=True, include=names, exclude_none=True)


class Filters(Facts):
    """Which dialogs are meant, also by what they say."""

    q: Words | None = Field(None, description="words in Russian or English, or part of a number")

    def search(self) -> Search:
        """Return what is looked for, in the form that the use cases take."""
        return Search(self.filters(), self.q)


class Page(Filters):
    """Which page of them."""

    sort: Sort = "newest"
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=1024)] | None = None

    def after(self) -> Place | None:
        """Return where the page before ended; raises a 422 Problem for a cursor of another list."""
        return None if self.cursor is None else read_cursor(self.cursor, self.sort)


class Selection(BaseModel):
    """Which branch to publish; without one, the active branch."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    branch: Branch | None = None


class NewRating(BaseModel):
    """How good the dialog is, or one answer of it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    rating: Literal["good", "bad"]
    message_id: OpaqueId | None = None
    comment: Annotated[Text, Field(pattern=NO_NUL)] | None = None


class NewErasure(BaseModel):
    """What to erase: one dialog, or all that a client said until now."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    dialog_id: OpaqueId | None = None
    client: OpaqueId | None = Field(None, description="the pseudonym that the chat backend gave the client")
    reason: Label = "asked"

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.dialog_id is None) == (self.client is None):
            raise ValueError("name either dialog_id or client")
        return self


def make_cursor(sort: Sort, value: datetime | int, dialog_id: str) -> str:
    """Return the cursor of a page that ends with this dialog."""
    place = [sort, value.isoformat() if isinstance(value, datetime) else value, dialog_id]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def read_cursor(cursor: str, sort: Sort) -> Place:
    """Return the place that a cursor names; raises a 422 Problem when it is not one of this list."""
    try:
        kind, value, dialog_id = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
        if kind != sort or not isinstance(dialog_id, str) or "\x00" in dialog_id:
            raise bad_cursor()
        dialog_id.encode()  # no lone surrogates: PostgreSQL takes none
        return _sort_value(sort, value), dialog_id
    except (ValueError, TypeError, OverflowError):
        raise bad_cursor() from None


def _sort_value(sort: Sort, value: Any) -> str | int:
    if sort in ("newest", "oldest"):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise bad_cursor()
        return moment.astimezone(UTC).isoformat()
    if type(value) is not int or not 0 <= value <= INT:
        raise bad_cursor()
    return value
