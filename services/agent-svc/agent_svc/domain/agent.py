"""An agent's definition, what is known of its keys, and the target that answers a dialog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.routes import choose

STALE_AT = 0.2


@dataclass(frozen=True, slots=True)
class Agent:
    """One version of an agent; `definition` is the owner's input as stored."""

    agent_id: str
    version: int
    definition: dict[str, Any]
    fingerprint: str
    updated_at: datetime

    @property
    def prompt(self) -> str:
        """The system prompt."""
        return str(self.definition["prompt"])

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The functions, in OpenAI's form."""
        return list(self.definition["tools"])

    @property
    def stale_at(self) -> float:
        """From which share of changed prompt words on a model is stale."""
        return float(self.definition.get("stale_at", STALE_AT))


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A provider key as it lies in the vault."""

    key_id: str
    provider: str
    version: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Answering:
    """Which model answers, where, and by which key."""

    model: str
    provider: str
    key_id: str


def answering(
    agent: Agent, route: dict[str, Any] | None, keys: Iterable[SealedKey], dialog_id: str
) -> Answering | None:
    """Return who answers this dialog: the route's share, else the base model; None without a key."""
    if route is not None:
        targets = route["targets"]
        target = targets[choose(agent.agent_id, dialog_id, [item["share"] for item in targets])]
        return Answering(target["model"], target["provider"], target["key_id"])
    provider = agent.definition["provider"]
    key = next((item for item in keys if item.provider == provider), None)
    return Answering(agent.definition["base_model"], provider, key.key_id) if key else None
