"""What owners read about a run that failed or waits for them: what happened, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from chassis.errors import Text
from contracts.catalogue import ProviderEntry
from training_svc.domain.explanations import EXPLANATIONS
from training_svc.domain.run import Failure


def explain(failure: Failure) -> tuple[Text, Text]:
    """Return what happened and what to do; a code without an explanation is told as a failed training."""
    message, action = EXPLANATIONS.get(failure.code, EXPLANATIONS["training_failed"])
    named = f" ({failure.param})" if failure.param else ""
    message = Text(message.en.replace("{param}", named), message.ru.replace("{param}", named))
    if failure.words:
        message = Text(failure.words["en"], failure.words["ru"])
    return message, action


def closing_words(provider: ProviderEntry, on: date, others: Sequence[ProviderEntry]) -> dict[str, str]:
    """Return since when a provider trains for whom no longer, and who else still does, by language."""
    still = [one for one in others if one.id != provider.id]
    return {"en": _english(provider, on, still), "ru": _russian(provider, still)}


def _english(provider: ProviderEntry, on: date, still: Sequence[ProviderEntry]) -> str:
    days = [
        f"{'since' if one.since <= on else 'from'} {one.since.isoformat()} not for {one.whom.en}"
        for one in provider.closings
    ]
    said = ": ".join(
        filter(None, [f"{provider.label('en')} no longer trains for this account", ", ".join(days)])
    )
    names = ", ".join(one.label("en") for one in still)
    return f"{said}. These still train: {names}." if names else f"{said}."


def _russian(provider: ProviderEntry, still: Sequence[ProviderEntry]) -> str:
    days = [f"с {one.since.isoformat()} — для {one.whom.ru}" for one in provider.closings]
    name = provider.label("ru")
    said = ": ".join(filter(None, [f"{name} больше не обучает для этого аккаунта", ", ".join(days)]))
    names = ", ".join(one.label("ru") for one in still)
    return f"{said}. По-прежнему обучают: {names}." if names else f"{said}."
