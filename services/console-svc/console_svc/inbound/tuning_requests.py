"""What may be asked of the fine-tuning page: which examples, what to do with them, how to train."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Label = Annotated[str, Field(max_length=256)]
Once = Annotated[str, Field(max_length=64, pattern="^[!-~]*$")]
"""What tells one press of a button from the next, as it goes into a header."""


def _nothing(value: object) -> object:
    return None if value == "" else value


OptionalId = Annotated[UUID | None, BeforeValidator(_nothing)]
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Figure = Annotated[float, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=50)]
OptionalWhole = Annotated[Whole | None, BeforeValidator(_nothing)]
OptionalFigure = Annotated[Figure | None, BeforeValidator(_nothing)]
Action = Literal["save", "remove", "restore", "add_tags", "remove_tags", "teach", "pseudonymise"]
DOLLAR = 1_000_000
"""In micro-dollars."""


class Examples(BaseModel):
    """Which examples of a dataset; what is empty filters nothing."""

    model_config = ConfigDict(hide_input_in_errors=True)

    q: Label = ""
    state: Literal["", "draft", "saved", "removed"] = ""
    rating: Literal["", "good", "bad", "none"] = ""
    teaches: Literal["", "none", "some", "all"] = ""
    source: Literal["", "live", "test"] = ""
    unsaved: Literal["", "true"] = ""
    tag: Annotated[str, Field(max_length=64)] = ""
    finding: Annotated[str, Field(max_length=64)] = ""
    group: OptionalId = None

    def filter(self) -> dict[str, str]:
        """Return what was asked for, as dataset-svc names it."""
        given = Examples.model_dump(self, include=set(Examples.model_fields), exclude_none=True)
        given |= {"q": self.q.strip(), "tag": self.tag.strip()}
        return {name: str(value) for name, value in given.items() if value}

    def query(self) -> str:
        """Return it as the end of an address, with its question mark."""
        asked = self.filter()
        return f"?{urlencode(asked)}" if asked else ""


class Bulk(Examples):
    """One action on the chosen examples, or on all that the filter means."""

    ids: Annotated[list[UUID], Field(max_length=10_000)] = Field(default_factory=list)
    everything: bool = False
    action: Action
    tags: Label = ""
    weight: Literal["", "0", "1"] = ""
    key: Once = ""

    @property
    def needs_tags(self) -> bool:
        """Whether it is about tags."""
        return self.action.endswith("_tags")

    def named_tags(self) -> list[str]:
        """Return the tags that were written, with commas between."""
        return [tag for tag in (one.strip() for one in self.tags.split(",")) if tag]

    def body(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Return the request as dataset-svc takes it."""
        body: dict[str, Any] = {"action": self.action, "dry_run": dry_run}
        body |= {"filter": self.filter()} if self.everything else {"ids": list(map(str, self.ids))}
        if self.needs_tags:
            body["tags"] = self.named_tags()
        if self.action == "teach":
            body |= {"action": "set_weights", "weight": int(self.weight) if self.weight else None}
        return body


class Training(BaseModel):
    """How to train: what somebody chose in the form.

    `model` names provider and model as `choices.value_of` writes them; without one the agent's count.
    `version` is a frozen one that is to be trained again, `seen` the newest one when the page was made,
    `minted` tells that page from others.
    """

    model_config = ConfigDict(hide_input_in_errors=True, protected_namespaces=())

    model: Annotated[str, Field(max_length=1_024)] = ""
    agent: Literal["current", "as_recorded"] = "current"
    held_back: Annotated[Percent | None, BeforeValidator(_nothing)] = None
    n_epochs: OptionalWhole = None
    batch_size: OptionalWhole = None
    learning_rate_multiplier: OptionalFigure = None
    seed: OptionalWhole = None
    suffix: Annotated[str, Field(max_length=64)] = ""
    budget: OptionalFigure = None
    version: OptionalWhole = None
    seen: int = 0
    minted: Annotated[str, Field(max_length=64)] = ""
    confirm: bool = False

    @property
    def share(self) -> float | None:
        """The share of dialogs that validate, None for what the dataset's size suggests."""
        return None if self.held_back is None else self.held_back / 100

    def hyperparameters(self) -> dict[str, int | float]:
        """Return those that were given; the provider chooses the others."""
        given = {
            "n_epochs": self.n_epochs,
            "batch_size": self.batch_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }
        return {name: value for name, value in given.items() if value is not None}

    def budget_microdollars(self) -> int | None:
        """Return the most that a run may cost."""
        return None if self.budget is None else round(self.budget * DOLLAR)
