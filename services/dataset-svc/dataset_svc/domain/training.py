"""Rules of a request to train: by which key, and when two requests are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataset_svc.domain.problems import key_cannot_train, no_provider_key

FINAL = frozenset({"ready", "failed", "cancelled"})
_PREFERENCE = {"yes": 0, "unverified": 1}


NO_KEY = "00000000-0000-0000-0000-000000000000"
"""Stands for the key where none is needed: the file is only taken away."""


def choose_key(keys: Sequence[Mapping[str, Any]], provider: str) -> str:
    """Return the id of the agent's key for this provider: proven before not yet proven.

    Raises a 409 Problem without a key, or when every key is known to be unable to train.
    """
    of_provider = [key for key in keys if key["provider"] == provider]
    if not of_provider:
        raise no_provider_key(provider)
    usable = [key for key in of_provider if key["training"] in _PREFERENCE]
    if not usable:
        raise key_cannot_train(provider, of_provider[0].get("because"))
    return str(min(usable, key=lambda key: _PREFERENCE[key["training"]])["key_id"])


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return what is equal for requests that would train the same model."""
    counted = {name: settings[name] for name in ("base_model", "hyperparameters", "suffix", "seed")}
    return hashlib.sha256(orjson.dumps(counted, option=orjson.OPT_SORT_KEYS)).hexdigest()


def models_of(final: str | None, checkpoints: Sequence[tuple[str, int]]) -> dict[str, int | None]:
    """Return the models of a run, name → step; the final one, also where it is a checkpoint, has none."""
    models: dict[str, int | None] = dict(checkpoints)
    if final is not None:
        models[final] = None
    return models
