"""What a training will cost, as a range: tokens × epochs × price."""

from __future__ import annotations

from dataclasses import dataclass

from training_svc.domain.job import MICRO

FEW, MANY = 34, 8_333
UNCERTAINTY = 0.1  # our count of tokens against the provider's


@dataclass(frozen=True, slots=True)
class Estimate:
    """A cost range in micro-dollars (None: no price is known), and the epochs and tokens behind it."""

    epochs: int
    trained_tokens: int
    low_microdollars: int | None
    high_microdollars: int | None


def default_epochs(examples: int) -> int:
    """Return the epochs that the provider's cookbook takes when none are asked for."""
    if examples < 1:
        return 1
    if examples < FEW:
        return min(25, max(1, 100 // examples))
    return 3 if examples <= MANY else max(1, 25_000 // examples)


def epochs_of(asked: object, examples: int) -> int:
    """Return the epochs asked for, or the default for "auto" and nothing."""
    return asked if isinstance(asked, int) and not isinstance(asked, bool) else default_epochs(examples)


def estimate(tokens: int, examples: int, n_epochs: object, price: int | None) -> Estimate:
    """Return the cost range; `price` in micro-dollars per million trained tokens."""
    epochs = epochs_of(n_epochs, examples)
    trained = tokens * epochs
    if price is None:
        return Estimate(epochs, trained, None, None)
    cost = trained * price / MICRO
    return Estimate(epochs, trained, int(cost * (1 - UNCERTAINTY)), int(cost * (1 + UNCERTAINTY)) + 1)
