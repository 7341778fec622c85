"""An agent's definition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
