"""What agents and keys look like over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent_svc.domain.agent import Agent
from agent_svc.domain.key import Key
from agent_svc.domain.key_texts import told
from agent_svc.outbound.catalogue import Catalogue
from agent_svc.usecases.publish_agent import standing_now


def agent(one: Agent, keys: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an agent's newest version, and what is known of its keys."""
    return {
        "agent_id": one.agent_id,
        "version": one.version,
        "fingerprint": one.fingerprint,
        "updated_at": one.updated_at.isoformat(),
        **one.definition,
        "keys": keys,
    }


def key(one: Key, catalogue: Catalogue, language: str) -> dict[str, Any]:
    """Return what is known of a key, in codes and in words; never the key."""
    now = datetime.now(UTC)
    counts = standing_now(one, catalogue, now)
    entry = catalogue.provider(one.provider)
    others = catalogue.still_training(now.date(), but=one.provider)
    label = entry.label if entry else one.provider
    detail, action = told(counts, provider=label, others=others, scope=one.missing_scope)
    return {
        "key_id": one.key_id,
        "provider": one.provider,
        "version": one.version,
        "last4": one.last4,
        "fingerprint": one.fingerprint,
        "organisation": one.organisation,
        "training": counts.training,
        "infer": one.infer,
        "because": counts.because,
        "since": counts.since.isoformat() if counts.since else None,
        "missing_scope": one.missing_scope or None,
        "detail": detail.in_language(language),
        "action": action.in_language(language) if action else None,
        "checked_at": one.checked_at.isoformat() if one.checked_at else None,
    }
