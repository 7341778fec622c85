"""What serves an agent: targets by share, a fallback, and targets that are out for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.routes import choose

RouteDocument = dict[str, Any]
"""A route as in agent.routed: {targets: [{model, provider, key_id, run_id, share}], fallback}."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A model at a provider, asked by a key: what can fail, and what can answer."""

    provider: str
    model: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who answers a dialog, and who does when that fails; `fallback` None when nobody else may."""

    first: Place
    fallback: Place | None


def place_of(target: Mapping[str, Any]) -> Place:
    """Return the place that a target names."""
    return Place(target["provider"], target["model"], str(target["key_id"]))


def candidates(
    agent_id: str,
    dialog_id: str,
    route: RouteDocument | None,
    base: Place | None,
) -> Candidates | None:
    """Return who answers this dialog: the route's share, else the base model; None without a key."""
    if route is None:
        return Candidates(base, None) if base else None
    targets = route["targets"]
    chosen = place_of(targets[choose(agent_id, dialog_id, [item["share"] for item in targets])])
    fallback = place_of(route["fallback"]) if route["fallback"] else None
    return Candidates(chosen, fallback if fallback != chosen else None)


def places(route: RouteDocument | None) -> list[Place]:
    """Return the places of a route's targets, each once, in order."""
    return list(dict.fromkeys(map(place_of, route["targets"]))) if route else []


def may_fail_over(desired: RouteDocument | None, out: Place) -> bool:
    """Tell whether the fallback can stand in for `out`: the route asks it, and the fallback is another."""
    if desired is None or not desired["fallback"]:
        return False
    return out in places(desired) and place_of(desired["fallback"]) != out


def with_fallback(desired: RouteDocument | None, out: Collection[Place]) -> RouteDocument | None:
    """Return what serves while `out` does not: the fallback in its stead, share by share.

    All other dialogs stay where they are, because no share moves.
    """
    if desired is None or not desired["fallback"] or place_of(desired["fallback"]) in out:
        return desired
    fallback = desired["fallback"]
    targets = [
        {**fallback, "share": target["share"]} if place_of(target) in out else target
        for target in desired["targets"]
    ]
    return {**desired, "targets": targets}


def newest_other(desired: RouteDocument | None, earlier: Iterable[RouteDocument | None]) -> tuple[bool, Any]:
    """Return (found, route): the newest of `earlier` that is another one than `desired`."""
    for route in earlier:
        if route != desired:
            return True, route
    return False, None
