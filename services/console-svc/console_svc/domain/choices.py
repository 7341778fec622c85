"""What one may train from: the catalogue's base models, and models of one's own to go on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, unquote

FIRST = 2
"""Models of the agent's provider that are shown at once; the rest stands behind them."""
SOON = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class Choice:
    """One model to train from; `price` in micro-dollars per million trained tokens, None if not known.

    `closes` is the day from which nobody can train from it, `ends` the day from which it no longer answers;
    both None when far away. `key` is what is known of the agent's key: yes, no, unverified, or none at all.
    """

    value: str
    model: str
    provider: str
    provider_name: str
    name: str
    price: int | None = None
    priced_on: str | None = None
    trainable: bool = True
    closes: str | None = None
    ends: str | None = None
    key: str = "none"
    made_of: int | None = None
    """Of a model of one's own: the version of the dataset that it learned."""
    max_epochs: int | None = None
    max_batch: int | None = None
    is_own: bool = False
    is_file: bool = False

    @property
    def cannot(self) -> bool:
        """Whether it is known that no training would begin."""
        return not self.trainable or self.key in {"no", "none"}


@dataclass(frozen=True, slots=True)
class Choices:
    """What to choose from, and what is chosen."""

    first: tuple[Choice, ...]
    rest: tuple[Choice, ...]
    chosen: Choice | None

    @property
    def is_behind(self) -> bool:
        """Whether what is chosen stands among the rest."""
        return self.chosen is not None and self.chosen in self.rest


def value_of(provider: str, model: str) -> str:
    """Return a choice as a form sends it."""
    return f"{quote(provider, safe='')}:{model}"


def read_value(value: str) -> tuple[str, str]:
    """Return the provider and the model of a form's choice."""
    provider, _, model = value.partition(":")
    return unquote(provider), model


def choices(
    catalogue: Mapping[str, Any], models: Iterable[Mapping[str, Any]], dataset: Mapping[str, Any],
    wanted: str, today: date,
) -> Choices:  # fmt: skip
    """Return the choices of an agent; `wanted` is the form's, else the agent's own model is chosen."""
    files = {one["provider"] for one in catalogue["providers"] if one["protocol"] == "file"}
    listed = [_of_catalogue(one, today, is_file=one["provider"] in files) for one in catalogue["items"]]
    of_agent = [one for one in listed if one.provider == dataset["provider"]] or listed
    first = tuple(of_agent[:FIRST])
    own = [
        _of_model(one, today, _key_of(catalogue, one["provider"]))
        for one in models
        if _goes_on(catalogue, one)
    ]
    rest = (*own, *(one for one in listed if one not in first))
    names = {one["base_model"]: one for one in catalogue["items"] if one["provider"] == dataset["provider"]}
    agents = next(
        (name for name, one in names.items() if dataset["base_model"] in {name, *one["aliases"]}), ""
    )
    chosen = [wanted, value_of(dataset["provider"] or "", agents)]
    everything = {one.value: one for one in (*first, *rest)}
    found = next((everything[one] for one in chosen if one in everything), next(iter(first), None))
    return Choices(first, rest, found)


def _of_catalogue(one: Mapping[str, Any], today: date, *, is_file: bool) -> Choice:
    return Choice(
        value_of(one["provider"], one["base_model"]), one["base_model"], one["provider"],
        one["provider_name"], one["name"], one["price_microdollars_per_million_tokens"], one["price_as_of"],
        one["trainable"], _soon(one["training_closes"], today), _soon(one["shutdown"], today),
        "yes" if is_file else _standing(one["key"]), is_file=is_file,
        max_epochs=one["limits"]["max_epochs"], max_batch=one["limits"]["max_batch"],
    )  # fmt: skip


def _of_model(one: Mapping[str, Any], today: date, key: str) -> Choice:
    prices = one["prices"] or {}
    price = prices.get("training")
    return Choice(
        value_of(one["provider"], one["model"]), one["model"], one["provider"], one["provider_name"],
        one["model"], None if price is None else round(price * 1_000_000), prices.get("as_of"),
        ends=_soon(one["shutdown"], today), key=key, made_of=one["version"], is_own=True,
    )  # fmt: skip


def _goes_on(catalogue: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    return any(
        one["provider"] == model["provider"] and one["capabilities"]["own_models"]
        for one in catalogue["providers"]
    )


def _key_of(catalogue: Mapping[str, Any], provider: str) -> str:
    found = (one["key"] for one in catalogue["providers"] if one["provider"] == provider)
    return _standing(next(found, None))


def _standing(key: Mapping[str, Any] | None) -> str:
    return str(key["training"]) if key else "none"


def _soon(day: str | None, today: date) -> str | None:
    """Return a day that is near enough to be worth a word."""
    return day if day and date.fromisoformat(day) - today <= SOON else None
