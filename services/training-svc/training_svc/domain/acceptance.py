"""Whether a run may begin at all: what is refused before anything is uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from contracts.catalogue import BaseModelEntry, Limits, ProviderEntry
from training_svc.domain.estimate import Estimate
from training_svc.domain.run import Failure, Request
from training_svc.domain.texts import closing_words


@dataclass(frozen=True, slots=True)
class Offer:
    """What the catalogue says of the provider and the model of a request, on one day."""

    provider: ProviderEntry
    model: BaseModelEntry
    limits: Limits
    on: date
    still_training: Sequence[ProviderEntry]


def refusal(request: Request, offer: Offer, cost: Estimate) -> Failure | None:
    """Return why this request cannot be met, or None; nothing is known of a limit that is None."""
    return (
        _closed(offer)
        or _not_offered(request, offer)
        or _out_of_limits(request, offer.limits)
        or _over_budget(request, cost)
    )


def _closed(offer: Offer) -> Failure | None:
    closing = offer.provider.closed(offer.on)
    days = [closing.since if closing else None, offer.model.training_closes, offer.model.shutdown]
    passed = [day for day in days if day is not None and day <= offer.on]
    if not passed:
        return None
    words = closing_words(offer.provider, offer.on, offer.still_training)
    return Failure("training_not_available", words=words)


def _not_offered(request: Request, offer: Offer) -> Failure | None:
    can = offer.provider.capabilities
    if not offer.model.trainable:
        return Failure("model_not_available", "model")
    if offer.provider.protocol == "file":
        return None
    if request.method not in can.methods:
        return Failure("method_not_available", "method")
    if request.validation is not None and not can.validation:
        return Failure("validation_not_supported", "validation_file")
    own = request.base_model not in {offer.model.id, *offer.model.aliases}
    return Failure("own_model_not_supported", "model") if own and not can.own_models else None


def _out_of_limits(request: Request, limits: Limits) -> Failure | None:
    asked = request.hyperparameters
    if limits.min_examples and request.training.examples < limits.min_examples:
        return Failure("invalid_n_examples", "training_file")
    for name, most in (("n_epochs", limits.max_epochs), ("batch_size", limits.max_batch)):
        value = asked.get(name)
        if most and isinstance(value, int) and not 1 <= value <= most:
            return Failure("hyperparameter_refused", name)
    if request.suffix and len(request.suffix) > limits.suffix:
        return Failure("hyperparameter_refused", "suffix")
    largest = limits.upload_bytes or limits.file_bytes
    for file in filter(None, (request.training, request.validation)):
        if largest and file.bytes > largest:
            return Failure("file_too_large")
    return None


def _over_budget(request: Request, cost: Estimate) -> Failure | None:
    if request.budget_microdollars is None:
        return None
    if cost.low_microdollars is None:
        return Failure("price_unknown")
    return Failure("over_budget") if cost.low_microdollars > request.budget_microdollars else None
