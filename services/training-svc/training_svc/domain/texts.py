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
    return {"en": _closing(provider, on, others, "en"), "ru": _closing(provider, on, others, "ru")}


def _closing(provider: ProviderEntry, on: date, others: Sequence[ProviderEntry], spoken: str) -> str:
    ru = spoken == "ru"
    name = provider.label(spoken)
    parts = []
    for one in provider.closings:
        whom, day = (one.whom.ru if ru else one.whom.en), one.since.isoformat()
        if ru:
            parts.append(f"с {day} — для {whom}")
        else:
            parts.append(f"{'since' if one.since <= on else 'from'} {day} not for {whom}")
    said = (
        f"{name} больше не обучает для этого аккаунта" if ru else f"{name} no longer trains for this account"
    )
    listed = ", ".join(parts)
    said += f": {listed}." if listed else "."
    still = ", ".join(one.label(spoken) for one in others if one.id != provider.id)
    if still:
        said += f" По-прежнему обучают: {still}." if ru else f" These still train: {still}."
    return said
