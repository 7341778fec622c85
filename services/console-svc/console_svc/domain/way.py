"""The owner's way, from the key to the trained model in service: what is done, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["done", "now", "stuck", "later"]
FEWEST = 10
"""Examples that a provider wants of which nothing else is known."""
Name = Literal["key", "dialogs", "dataset", "training", "service"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an agent. `key` and `run` are as the services say, empty while there is none."""

    key: str = ""
    saved: int = 0
    needed: int = FEWEST
    """How many examples the provider trains on at least."""
    run: str = ""
    """The status of its newest training."""
    ready: bool = False
    """Whether any training left a model."""
    serves: bool = False
    """Whether a trained model is in service."""


def way(known: Known) -> dict[Name, State]:
    """Return each step's state; the first that is not done is the one to take now.

    A key that is not yet proven does not hold anybody up, one that cannot train does.
    """
    done: dict[Name, bool] = {
        "key": known.key in {"yes", "unverified"},
        "dialogs": known.saved > 0,
        "dataset": known.saved >= known.needed,
        "training": known.ready,
        "service": known.serves,
    }
    stuck: dict[Name, bool] = {"key": known.key == "no", "training": known.run == "failed"}
    states: dict[Name, State] = {}
    for name, is_done in done.items():
        first = "now" not in states.values() and "stuck" not in states.values()
        states[name] = "done" if is_done else ("stuck" if stuck.get(name) else "now") if first else "later"
    return states
