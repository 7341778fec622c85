"""An agent's definition, what is known of its keys, and the target that answers a dialog."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a provider key, bound to an agent."""

    key_id: str
    provider: str
    version: int
    last4: str
    fingerprint: str
    training: str
    infer: str
    because: str | None
    checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A provider key as it lies in the vault."""

    key_id: str
    provider: str
    version: int
    sealed: bytes
