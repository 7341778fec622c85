"""What agents and keys look like over HTTP."""

from __future__ import annotations

from typing import Any

from agent_svc.domain.agent import Agent, Key


def agent(one: Agent, keys: list[Key]) -> dict[str, Any]:
    """Return an agent's newest version, and what is known of its keys."""
    return {
        "agent_id": one.agent_id,
        "version": one.version,
        "fingerprint": one.fingerprint,
        "updated_at": one.updated_at.isoformat(),
        **one.definition,
        "keys": [key(held) for held in keys],
    }


def key(one: Key) -> dict[str, Any]:
    """Return what is known of a key; never the key."""
    return {
        "key_id": one.key_id,
        "provider": one.provider,
        "version": one.version,
        "last4": one.last4,
        "fingerprint": one.fingerprint,
        "training": one.training,
        "infer": one.infer,
        "because": one.because,
        "checked_at": one.checked_at.isoformat() if one.checked_at else None,
    }
