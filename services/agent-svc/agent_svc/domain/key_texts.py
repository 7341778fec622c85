"""What owners read of their keys, by code: what is so, since when, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from agent_svc.domain.key import Standing
from chassis.errors import Text

PASTE = Text("Paste another key.", "Вставьте другой ключ.")
CURATE = Text("Go on: the first training will show it.", "Продолжайте: первое обучение это покажет.")


def told(
    standing: Standing, *, provider: str, others: Sequence[str], scope: str | None
) -> tuple[Text, Text | None]:
    """Return what is known of training with a key, and what to do; names come from the catalogue.

    `others` are the providers that still train.
    """
    if standing.training == "yes":
        return Text(
            f"{provider} accepted a training with this key.",
            f"{provider} принял обучение с этим ключом.",
        ), None
    if standing.training == "unverified":
        return Text(
            "Not proven yet that this key can train; that does not block anything.",
            "Ещё не проверено, что с этим ключом можно обучать; это ничему не мешает.",
        ), CURATE
    return _why_not(standing, provider, scope), _instead(standing, others)


def _why_not(standing: Standing, provider: str, scope: str | None) -> Text:
    day = standing.since.isoformat() if standing.since else None
    on, on_ru = (f" on {day}", f" {day}") if day else ("", "")
    since, since_ru = (f" (since {day})", f" (с {day})") if day else ("", "")
    lacks = f": {scope}" if scope else ""
    texts = {
        "training_not_available": Text(
            f"{provider} closed training for this account{on}.",
            f"{provider} закрыл обучение для этого аккаунта{on_ru}.",
        ),
        "training_closed": Text(
            f"{provider} closed training for everybody{on}.", f"{provider} закрыл обучение для всех{on_ru}."
        ),
        "country_not_supported": Text(
            f"{provider} does not serve this country{on}.",
            f"{provider} не работает в этой стране{on_ru}.",
        ),
        "key_refused": Text(
            f"{provider} does not take this key{since}.", f"{provider} не принимает этот ключ{since_ru}."
        ),
        "scope_missing": Text(f"The key lacks a permission{lacks}.", f"Ключу не хватает права{lacks}."),
        "key_lacks_permission": Text(
            f"The key lacks a permission to train{lacks}.", f"Ключу не хватает права обучать{lacks}."
        ),
    }
    default = Text(f"{provider} refused to train{on}.", f"{provider} отказал в обучении{on_ru}.")
    return texts.get(standing.because or "", default)


def _instead(standing: Standing, others: Sequence[str]) -> Text:
    if standing.because in {"key_refused"}:
        return PASTE
    if standing.because in {"scope_missing", "key_lacks_permission"}:
        return Text(
            "Give the key this permission at the provider and check it again, or paste another one.",
            "Дайте ключу это право у провайдера и проверьте его снова или вставьте другой.",
        )
    if not others:
        return Text("No listed provider still trains.", "Ни один провайдер из каталога больше не обучает.")
    verb = "takes" if len(others) == 1 else "take"
    verb_ru = "обучает" if len(others) == 1 else "обучают"
    return Text(
        f"{_listed(others, 'or')} still {verb} it: add a key there.",
        f"{_listed(others, 'или')} ещё {verb_ru}: добавьте ключ там.",
    )


def _listed(names: Sequence[str], last: str) -> str:
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else names[0]
