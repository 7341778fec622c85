"""What endpoints take: the same words, pages and identifiers everywhere."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field

from chassis.errors import Problem, Text

Limit = Annotated[int, Query(ge=1, le=200)]
Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
AgentId = Annotated[str | None, Query(max_length=128, pattern=r"^[^\x00]*$")]
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key")]
Cursor = Annotated[str | None, Query(max_length=256, pattern=r"^[A-Za-z0-9_=-]*$")]


class Body(BaseModel):
    """A body of which no field goes unnoticed, and no value appears in an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def make_cursor(at: datetime, identifier: str) -> str:
    """Return the place of the last item of a page."""
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{identifier}".encode()).decode()


def read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Return the place that a page goes on from; raises a 422 Problem for a cursor that is none of ours."""
    if not cursor:
        return None
    try:
        at, _, identifier = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        place = datetime.fromisoformat(at), str(UUID(identifier))
        if place[0].tzinfo is None:
            raise ValueError("no time zone")
    except (ValueError, binascii.Error):
        raise Problem(
            422,
            "cursor_unknown",
            Text("This cursor is none of this list.", "Этот курсор не от этого списка."),
            action=Text("Begin with the first page.", "Начните с первой страницы."),
            field="cursor",
        ) from None
    return place
