"""Runs and models in one list, newest first, and what of them serves by a route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Json = Mapping[str, Any]
ENDED = frozenset({"ready", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Row:
    """A run with the model that came of it, or a model that was made elsewhere."""

    id: str
    run: Json | None
    model: Json | None
    share: float
    is_fallback: bool

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.run is None or self.run["status"] in ENDED

    @property
    def percent(self) -> int | None:
        """How far the training is; None while the provider does not say."""
        progress = self.run["progress"] if self.run else None
        if not progress or not progress.get("total_steps"):
            return None
        return min(100, round(100 * int(progress["step"]) / int(progress["total_steps"])))

    @property
    def made_at(self) -> str:
        """Tell when it came into the list."""
        known = self.run or self.model or {}
        return str(known["created_at"])


def rows(runs: Sequence[Json], models: Sequence[Json], route: Json | None, before: str = "") -> list[Row]:
    """Return a page of the list: these runs, and what was made elsewhere in the same time.

    `before` is when the last page ended; without more runs the page goes down to the oldest model.
    """
    finals = {one["run_id"]: one for one in models if one["kind"] == "final"}
    found = [row_of(run, finals.get(run["run_id"]), route) for run in runs]
    found += [row_of(None, one, route) for one in models if one["kind"] == "registered"]
    ordered = sorted(found, key=lambda one: (one.made_at, one.id), reverse=True)
    return [one for one in ordered if not before or one.made_at < before]


def row_of(run: Json | None, model: Json | None, route: Json | None) -> Row:
    """Return one line of the list."""
    known = model or run or {}
    return Row(
        str(known.get("model_id") or known.get("run_id")), run, model,
        share_of(model, route), is_fallback(model, route),
    )  # fmt: skip


def share_of(model: Json | None, route: Json | None) -> float:
    """Return the share of the dialogs that a model answers now."""
    effective = (route or {}).get("effective") or {}
    return float(sum(one["share"] for one in effective.get("targets", ()) if _is(one, model)))


def is_fallback(model: Json | None, route: Json | None) -> bool:
    """Tell whether a model answers when another one fails."""
    fallback = ((route or {}).get("desired") or {}).get("fallback")
    return fallback is not None and _is(fallback, model)


def _is(target: Json, model: Json | None) -> bool:
    return model is not None and (target["model"], target["provider"]) == (model["model"], model["provider"])


@dataclass(frozen=True, slots=True)
class Switch:
    """What became of a wish to put a model into service: `entry` is what the route's history says of it."""

    activation_id: str
    state: Literal["switching", "done", "rejected"]
    entry: Json | None = None


def switch_of(activation_id: str, history: Sequence[Json]) -> Switch:
    """Return how far an activation is, by the route's history, newest first."""
    entry = next((one for one in history if one["activation_id"] == activation_id), None)
    if entry is None:
        return Switch(activation_id, "switching")
    return Switch(activation_id, "rejected" if entry["reason"] == "rejected" else "done", entry)
