"""The chain from a dialog to what serves: names of its links, and which models a route lets answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

Kind = Literal["dialog", "example", "version", "run", "model", "activation"]
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_VERSION = re.compile(rf"({_UUID}):([1-9][0-9]{{0,17}})")
_PLACE = re.compile(rf"({_UUID}):([1-9][0-9]{{0,17}}):({_UUID})")


@dataclass(frozen=True, slots=True, order=True)
class VersionId:
    """A frozen version, written `{dataset_id}:{number}`."""

    dataset_id: UUID
    version: int

    def __str__(self) -> str:
        """Return the id as it is written."""
        return f"{self.dataset_id}:{self.version}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of pinned examples goes on: after this example of this version."""

    version: VersionId
    example_id: UUID

    def __str__(self) -> str:
        """Return the cursor as it is written."""
        return f"{self.version}:{self.example_id}"


@dataclass(frozen=True, slots=True)
class RouteModel:
    """A model that a route names; `serves`: it answers now."""

    role: Literal["target", "fallback"]
    provider: str
    model: str
    run_id: str | None
    share: float | None
    serves: bool


def read_version_id(text: str) -> VersionId | None:
    """Return the version that `{dataset_id}:{number}` names, None for anything else."""
    found = _VERSION.fullmatch(text)
    return VersionId(UUID(found[1]), int(found[2])) if found else None


def read_place(text: str) -> Place | None:
    """Return the place that a cursor names, None for anything else."""
    found = _PLACE.fullmatch(text)
    return Place(VersionId(UUID(found[1]), int(found[2])), UUID(found[3])) if found else None


def read_uuid(text: str) -> UUID | None:
    """Return an id of ours, None for anything else."""
    return UUID(text) if re.fullmatch(_UUID, text) else None


def read_route_id(text: str) -> tuple[str, int] | None:
    """Return the agent and the version of its route that `{agent_id}:{route_version}` names, or None."""
    agent_id, _, version = text.rpartition(":")
    return (agent_id, int(version)) if agent_id and re.fullmatch(r"[0-9]{1,18}", version) else None


def activation_id(given: str | None, agent_id: str, route_version: int) -> str:
    """Return what a version of a route is called: its activation's id, or `{agent_id}:{route_version}`."""
    return given or f"{agent_id}:{route_version}"


def route_models(desired: Mapping[str, Any] | None, effective: Mapping[str, Any] | None) -> list[RouteModel]:
    """Return the models of a desired route, and which of them answer by the effective one."""
    if desired is None:
        return []
    answering = {(one["provider"], one["model"]) for one in (effective or {"targets": ()})["targets"]}
    named: list[tuple[Literal["target", "fallback"], Mapping[str, Any]]] = [
        ("target", one) for one in desired["targets"]
    ]
    if desired["fallback"]:
        named.append(("fallback", desired["fallback"]))
    return [
        RouteModel(
            role, one["provider"], one["model"], one["run_id"], one.get("share"),
            serves=(one["provider"], one["model"]) in answering,
        )
        for role, one in named
    ]  # fmt: skip
