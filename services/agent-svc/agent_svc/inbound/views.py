"""What agents and keys look like over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent_svc.domain.agent import Agent
from agent_svc.domain.difference import Difference
from agent_svc.domain.key import Key
from agent_svc.domain.key_texts import told
from agent_svc.usecases.measure_drift import Drift
from agent_svc.usecases.publish_agent import standing_now
from chassis.catalogue import Catalogue
from chassis.errors import Text

TRAIN_AGAIN = Text(
    "The agent has moved away from what this model was taught: train again.",
    "Агент изменился с тех пор, как эту модель обучили: запустите обучение ещё раз.",
)


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
    training = catalogue.still_training(now.date())
    others = [each.label(language) for each in training if each.id != one.provider]
    label = entry.label(language) if entry else one.provider
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
        "variables": dict(one.variables),
        "checked_at": one.checked_at.isoformat() if one.checked_at else None,
    }


def difference(one: Difference) -> dict[str, Any]:
    """Return what differs between two versions: the prompt word by word, functions, settings."""
    return {
        "score": one.score,
        "prompt": [{"op": piece.op, "text": piece.text} for piece in one.prompt],
        "functions": {
            "added": list(one.added),
            "removed": list(one.removed),
            "changed": [
                {
                    "name": each.name,
                    "fields": list(each.fields),
                    "in_schema": each.in_schema,
                    "before": each.before,
                    "after": each.after,
                }
                for each in one.changed
            ],
        },
        "settings": {name: {"before": old, "after": new} for name, (old, new) in one.settings.items()},
    }


def drift(one: Drift, today: Agent, language: str) -> dict[str, Any]:
    """Return how far an agent has moved from what a model was taught; null where we taught it nothing."""
    taught = one.taught
    shown: dict[str, Any] = {
        "model": taught.model,
        "provider": taught.provider,
        "share": taught.share,
        "run_id": taught.run_id,
        "taught_version": taught.agent_version,
        "difference": None,
        "score": None,
        "stale": False,
        "because": [],
        "action": None,
    }
    if one.difference is None:
        return shown
    because = one.difference.stale(today.stale_at)
    return shown | {
        "difference": difference(one.difference),
        "score": one.difference.score,
        "stale": bool(because),
        "because": list(because),
        "action": {"code": "train_again", "text": TRAIN_AGAIN.in_language(language)} if because else None,
    }
