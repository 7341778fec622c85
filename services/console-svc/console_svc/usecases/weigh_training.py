"""What a training would hold and cost, and what stands in its way, before it is started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from console_svc.domain.choices import Choice
from console_svc.domain.session import Session
from console_svc.outbound.backends import Backends, Refusal

MOST = 50
"""Examples of one finding that are counted; more are told as so many and more."""

BY_FUNCTIONS = frozenset({"function_unknown", "arguments_mismatch"})
"""What is found by today's functions; an example with those of its own time may be sound."""


@dataclass(frozen=True, slots=True)
class Found:
    """A code that was found in saved examples: in how many, and whether there are more than were counted."""

    code: str
    severity: str
    count: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """What would be trained on, at which cost (None: not known), and what was found in it."""

    training: dict[str, int]
    validation: dict[str, int]
    needed: int
    pending: int = 0
    validation_share: float = 0.0
    cost: dict[str, Any] | None = None
    found: list[Found] = field(default_factory=list)

    @property
    def errors(self) -> list[Found]:
        """What would keep it from being frozen."""
        return [one for one in self.found if one.severity == "error"]

    @property
    def warnings(self) -> list[Found]:
        """What is to be confirmed once."""
        return [one for one in self.found if one.severity == "warning"]


@dataclass(frozen=True, slots=True)
class Scales:
    """Asks the services what a training would be."""

    backends: Backends

    async def weigh(
        self, session: Session, language: str, dataset: dict[str, Any], *, version: int | None,
        agent: str, share: float | None, choice: Choice | None, n_epochs: int | None,
    ) -> Weighed:  # fmt: skip
        """Return what would be trained; raises Refusal when the dataset cannot be read.

        `agent` is `as_recorded` where examples stand with the functions of their own time.
        """
        asked = _Asked(self.backends, session, language, f"/v1/datasets/{UUID(dataset['id'])}")
        if version is None:
            split, found = await asyncio.gather(asked.split(share), asked.found())
            if agent == "as_recorded":
                found = [one for one in found if one.code not in BY_FUNCTIONS]
        else:
            split, found = await asked.frozen(version)
        cost = await asked.cost(split["training"], choice, n_epochs)
        return Weighed(
            split["training"], split["validation"], split["needed"], split["pending"],
            split["validation_share"], cost, found,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    backends: Backends
    session: Session
    language: str
    path: str

    async def split(self, share: float | None) -> dict[str, Any]:
        query = {} if share is None else {"validation_share": share}
        found: dict[str, Any] = await self._call("GET", f"{self.path}/split", params=query)
        return found

    async def frozen(self, version: int) -> tuple[dict[str, Any], list[Found]]:
        """Return the same of a version that is frozen; its errors were refused then."""
        one = await self._call("GET", f"{self.path}/versions/{version}")
        none = {"examples": 0, "tokens": 0}
        files = (one["manifest"] or {"files": {"training": none | {"examples": one["examples"] or 0}}})[
            "files"
        ]
        sides = {
            part: {name: (files.get(part) or none)[name] for name in none}
            for part in ("training", "validation")
        }
        warnings = [Found(each["code"], "warning", each["examples"]) for each in one["warnings"] or ()]
        settings = one["settings"]
        told = {"needed": settings["min_examples"], "validation_share": settings["validation_share"]}
        return {**sides, **told, "pending": 0}, warnings

    async def found(self) -> list[Found]:
        """Return what was found in saved examples; drafts are not frozen, so they hinder nobody."""
        checks = await self._call("GET", f"{self.path}/checks", params={"limit": 1})
        codes = [one for one in checks["counts"] if one["severity"] != "note"]
        listed = await asyncio.gather(*(self._saved_with(one["code"]) for one in codes))
        return [
            Found(one["code"], one["severity"], len(page["items"]), page["next_cursor"] is not None)
            for one, page in zip(codes, listed, strict=True)
            if page["items"]
        ]

    async def cost(
        self, training: dict[str, int], choice: Choice | None, n_epochs: int | None
    ) -> dict[str, Any] | None:
        """Return the estimate; None where nobody knows, or training-svc is silent."""
        if choice is None or choice.is_file:
            return None
        body = {"base_model": choice.model, "provider": choice.provider, **training}
        if n_epochs is not None:
            body["hyperparameters"] = {"n_epochs": n_epochs}
        try:
            found: dict[str, Any] = await self._call("POST", "/v1/estimates", "training", json=body)
        except Refusal:
            return None
        return found

    async def _saved_with(self, code: str) -> Any:
        query = {"state": "saved", "finding": code, "limit": MOST}
        return await self._call("GET", f"{self.path}/examples", params=query)

    async def _call(self, method: str, path: str, name: Any = "datasets", **more: Any) -> Any:
        return await self.backends.call(self.session, self.language, name, method, path, **more)
