"""Which models shall serve an agent once a trained one is put into service with a share of the dialogs."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Target:
    """A model to ask, with its key, and the share of dialogs that it gets."""

    model: str
    provider: str
    key_id: str
    run_id: str | None
    share: float


def with_share(trained: Target, serving: list[Target], base: Target) -> list[Target]:
    """Return the targets: the trained model has its share, what serves now divides the rest.

    When nothing else serves, the rest goes to the base model.
    """
    rest = 1 - trained.share
    others = [one for one in serving if (one.model, one.key_id) != (trained.model, trained.key_id)]
    if rest <= 0:
        return [trained]
    total = sum(one.share for one in others)
    if not others or total <= 0:
        return [trained, replace(base, share=rest)]
    return [trained, *(replace(one, share=rest * one.share / total) for one in others)]
