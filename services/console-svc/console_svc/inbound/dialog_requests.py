"""What may be asked of the page of dialogs."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Label = Annotated[str, Field(max_length=256)]


Choice = Annotated[Literal["true", "false"] | None, BeforeValidator(lambda value: value or None)]


class Wanted(BaseModel):
    """Which dialogs to list; what is empty filters nothing."""

    model_config = ConfigDict(hide_input_in_errors=True)

    q: Annotated[str, Field(max_length=512)] = ""
    agent_id: Annotated[str, Field(max_length=128)] = ""
    rating: Literal["", "good", "bad"] = ""
    source: Literal["", "live", "test"] = ""
    has_functions: Choice = None
    in_dataset: Choice = None
    outcome: Label = ""
    channel: Label = ""
    model: Label = ""
    sort: Literal["newest", "oldest", "longest", "shortest"] = "newest"

    def asked(self) -> dict[str, str]:
        """Return what was asked for, as a query; what goes without saying is left out."""
        given = self.model_dump(exclude_none=True)
        if given["sort"] == "newest":
            given.pop("sort")
        given["q"] = given["q"].strip()
        return {name: value for name, value in given.items() if value}

    def filters(self) -> dict[str, str]:
        """Return the same without the order, for counts."""
        return {name: value for name, value in self.asked().items() if name != "sort"}

    def query(self) -> str:
        """Return it as the end of an address, with its question mark."""
        asked = self.asked()
        return f"?{urlencode(asked)}" if asked else ""
