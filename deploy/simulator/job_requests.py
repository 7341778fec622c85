"""Reads a request to create a fine-tuning job, with the errors of the real API."""

import math
import re
from typing import Any

from deploy.simulator import errors
from deploy.simulator.records import Plan
from deploy.simulator.wire import text

MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE, LONGEST_SUFFIX = 16, 64, 512, 64
MOST_EPOCHS, MOST_BATCH = 50, 256
# The provider's own defaults, as its cookbook gives them.
USUAL_EPOCHS, FEW_EXAMPLES, MANY_EXAMPLES = 3, 34, 8333
AUTO_RATE = 1.8

METHODS = ("supervised", "dpo")

Asked = dict[str, float | int | str]


def metadata(body: dict[str, Any]) -> dict[str, str] | None:
    """Up to 16 pairs of strings."""
    given = body.get("metadata")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise errors.wrong_type("metadata", "an object")
    if len(given) > MOST_PAIRS:
        raise errors.wrong_value("metadata", f"at most {MOST_PAIRS} pairs")
    for key, value in given.items():
        if not isinstance(value, str):
            raise errors.wrong_type(f"metadata.{key}", "a string")
        if not 1 <= len(key) <= LONGEST_KEY or len(value) > LONGEST_VALUE:
            raise errors.wrong_value(
                "metadata", f"keys of 1-{LONGEST_KEY}, values of 0-{LONGEST_VALUE} characters"
            )
    return given


def suffix(body: dict[str, Any]) -> str | None:
    """The part of the model's name that the user chooses, made fit for a name."""
    if body.get("suffix") is None:
        return None
    given = text(body, "suffix")
    if not 1 <= len(given) <= LONGEST_SUFFIX:
        raise errors.wrong_value("suffix", f"must have 1 to {LONGEST_SUFFIX} characters")
    return re.sub(r"[^a-z0-9-]+", "-", given.lower())


def method(body: dict[str, Any]) -> str:
    """The method asked for, which `hyperparameters` has checked."""
    return str((body.get("method") or {}).get("type", "supervised"))


def hyperparameters(body: dict[str, Any], *, nested: bool = True) -> Asked:
    """From `method.supervised.hyperparameters` or the older top-level `hyperparameters`.

    With `nested` false the server knows no `method`.
    """
    method = body.get("method")
    given, at = body.get("hyperparameters"), "hyperparameters"
    if method is not None and not nested:
        raise errors.wrong_value("method", "is not known here, send hyperparameters")
    if method is not None:
        if not isinstance(method, dict) or not isinstance(method.get("type"), str):
            raise errors.wrong_type("method", "an object with a `type`")
        kind = method["type"]
        if kind not in METHODS:
            raise errors.wrong_value("method.type", f"this simulator trains {' and '.join(METHODS)} only")
        chosen = method.get(kind) or {}
        if not isinstance(chosen, dict):
            raise errors.wrong_type(f"method.{kind}", "an object")
        if chosen.get("hyperparameters") is not None:
            given, at = chosen["hyperparameters"], f"method.{kind}.hyperparameters"
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise errors.wrong_type(at, "an object")
    return {
        "n_epochs": _count(given, at, "n_epochs", MOST_EPOCHS),
        "batch_size": _count(given, at, "batch_size", MOST_BATCH),
        "learning_rate_multiplier": _rate(given, at),
    }


def _count(given: dict[str, Any], at: str, name: str, most: int) -> int | str:
    value = given.get(name, "auto")
    if value == "auto":
        return "auto"
    if type(value) is not int:
        raise errors.wrong_type(f"{at}.{name}", "'auto' or an integer")
    if not 1 <= value <= most:
        raise errors.wrong_value(f"{at}.{name}", f"must be between 1 and {most}")
    return value


def _rate(given: dict[str, Any], at: str) -> float | int | str:
    name = f"{at}.learning_rate_multiplier"
    value = given.get("learning_rate_multiplier", "auto")
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise errors.wrong_type(name, "'auto' or a number")
    if not 0 < value < math.inf:
        raise errors.wrong_value(name, "must be greater than 0")
    return value


def plan(asked: Asked, examples: int, tokens: int) -> Plan:
    """What `auto` comes to for this many examples."""
    epochs, batch, rate = asked["n_epochs"], asked["batch_size"], asked["learning_rate_multiplier"]
    n_epochs = int(epochs) if epochs != "auto" else _auto_epochs(examples)
    return Plan(
        examples=examples,
        trained_tokens=tokens * n_epochs,
        n_epochs=n_epochs,
        batch_size=int(batch) if batch != "auto" else min(MOST_BATCH, max(1, round(examples * 0.002))),
        learning_rate_multiplier=float(rate) if rate != "auto" else AUTO_RATE,
    )


def _auto_epochs(examples: int) -> int:
    if examples < FEW_EXAMPLES:
        return min(25, 100 // max(1, examples))
    return USUAL_EPOCHS if examples <= MANY_EXAMPLES else max(1, 25_000 // examples)
