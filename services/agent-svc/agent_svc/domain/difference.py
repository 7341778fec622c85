"""What differs between two versions of an agent, and whether a model taught one is stale under the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_svc.domain.words import Piece, changed_share, word_diff

Definition = Mapping[str, Any]
SETTINGS = (
    "name", "base_model", "provider", "parallel_tool_calls", "idle_seconds", "recorded_by", "stale_at",
)  # fmt: skip
"""What a definition holds besides prompt and functions."""


@dataclass(frozen=True, slots=True)
class ChangedFunction:
    """A function that both versions have; `fields` names what differs of it."""

    name: str
    fields: tuple[str, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def in_schema(self) -> bool:
        """Whether more than its description differs."""
        return any(field != "description" for field in self.fields)


@dataclass(frozen=True, slots=True)
class Difference:
    """How one version became another; `score` is the share of the prompt's words that changed."""

    score: float
    prompt: tuple[Piece, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedFunction, ...]
    settings: Mapping[str, tuple[Any, Any]]

    def stale(self, share: float) -> tuple[str, ...]:
        """Return why a model taught the older version is stale, as codes; `share` of words is too much."""
        reasons = {
            "prompt_changed": self.score >= share,
            "function_added": bool(self.added),
            "function_removed": bool(self.removed),
            "function_changed": any(one.in_schema for one in self.changed),
        }
        return tuple(code for code, holds in reasons.items() if holds)


def difference(before: Definition, after: Definition) -> Difference:
    """Return how the definition `before` became `after`."""
    old, new = _by_name(before["tools"]), _by_name(after["tools"])
    same_prompt = before["prompt"] == after["prompt"]
    pieces = [Piece("same", after["prompt"])] if same_prompt else word_diff(before["prompt"], after["prompt"])
    return Difference(
        changed_share(before["prompt"], after["prompt"]),
        tuple(pieces),
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(_changed(old, new)),
        {
            name: (before.get(name), after.get(name))
            for name in SETTINGS
            if before.get(name) != after.get(name)
        },
    )


def _by_name(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {tool["function"]["name"]: tool["function"] for tool in tools}


def _changed(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterator[ChangedFunction]:
    for name, after in new.items():
        before = old.get(name)
        if before is not None and before != after:
            names = dict.fromkeys([*before, *after])
            fields = tuple(field for field in names if before.get(field) != after.get(field))
            if fields:
                yield ChangedFunction(name, fields, before, after)
