"""What is known of a provider key, and what follows: can it train, which models does it answer for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

Capability = Literal["yes", "no", "unverified"]

SEEN_BY_CHECKS = frozenset({"key_refused", "scope_missing"})
"""Reasons that a check would find again, so that a check without them ends them."""
OF_THE_ACCOUNT = frozenset({"training_not_available", "country_not_supported"})
"""Reasons that another key of the same organisation does not change."""


@dataclass(frozen=True, slots=True)
class Key:
    """A provider key as stored; `training`, `because` and `since` are what was seen, without the catalogue.

    `missing_scope` is what a restricted key lacks, by the provider's name for it.
    """

    key_id: str
    provider: str
    version: int
    last4: str
    fingerprint: str
    training: Capability
    infer: Capability
    because: str | None
    checked_at: datetime | None
    organisation: str | None = None
    missing_scope: str | None = None
    since: datetime | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the provider's address needs of the tenant, by the catalogue's names."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a key can train as of a day, why not, and since when."""

    training: Capability
    because: str | None = None
    since: date | None = None


def standing(key: Key, closes: date | None, today: date) -> Standing:
    """Return what counts: a refusal that was seen, else the provider's closing date, else what was seen."""
    if key.training == "no":
        return Standing("no", key.because, key.since.date() if key.since else None)
    if closes is not None and closes <= today:
        return Standing("no", "training_closed", closes)
    return Standing(key.training, key.because, key.since.date() if key.since else None)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a provider said when asked about a key without sending it anything.

    `listed` holds the models that it answers for, None when that could not be asked. `missing_scope` is
    what a restricted key lacks, empty when the provider does not say.
    """

    reached: bool = False
    refused: bool = False
    missing_scope: str | None = None
    listed: frozenset[str] | None = None
    organisation: str | None = None

    @property
    def infer(self) -> Capability:
        """Whether the provider takes the key, as far as this shows."""
        if self.refused:
            return "no"
        return "yes" if self.listed is not None else "unverified"


def after_probe(key: Key, probe: Probe, now: datetime, *, by_hand: bool = False) -> Key:
    """Return what is known after a check: it can show that a key cannot train, never that it can.

    What a run was refused for stays, unless the owner asked, who may have given the key its scopes.
    """
    if not probe.reached:
        return key
    found = "key_refused" if probe.refused else "scope_missing" if probe.missing_scope is not None else None
    training, because, scope, since = key.training, key.because, key.missing_scope, key.since
    if found is not None:
        if because not in OF_THE_ACCOUNT and (because, scope) != (found, probe.missing_scope):
            training, because, scope, since = "no", found, probe.missing_scope, now
    elif because in SEEN_BY_CHECKS or (by_hand and because not in OF_THE_ACCOUNT and training == "no"):
        training, because, scope, since = "unverified", None, None, None
    infer = key.infer if probe.infer == "unverified" else probe.infer
    return replace(
        key, training=training, because=because, missing_scope=scope, since=since, infer=infer,
        checked_at=now, organisation=probe.organisation or key.organisation,
    )  # fmt: skip


def in_service(
    provider: str, route: Mapping[str, Any] | None, definition: Mapping[str, Any]
) -> dict[str, bool]:
    """Return the models at a provider that answer for an agent now, and whether each is the owner's own."""
    if route is None:
        return {definition["base_model"]: False} if definition["provider"] == provider else {}
    targets = [*route["targets"], *([route["fallback"]] if route.get("fallback") else [])]
    return {one["model"]: bool(one.get("run_id")) for one in targets if one["provider"] == provider}


@dataclass(frozen=True, slots=True)
class Replacement:
    """Another key in the place of one: which models stop answering, and whether the account is the same."""

    stops: tuple[str, ...]
    other_organisation: bool
    same_account: bool

    @property
    def harmless(self) -> bool:
        """Whether it may happen without the owner's word."""
        return not self.stops and not self.other_organisation


def replacement(key: Key, serving: Mapping[str, bool], probe: Probe) -> Replacement:
    """Return what putting another key in the place of `key` means; `serving` as of `in_service`.

    Organisations are compared where both are known. Otherwise the account counts as the same when the new key
    answers for a model of the owner's own, which no other account has.
    """
    stops = tuple(one for one in serving if one not in (probe.listed or ()))
    known = key.organisation is not None and probe.organisation is not None
    other = known and key.organisation != probe.organisation
    same = not other and (known or (any(serving.values()) and not stops))
    return Replacement(stops, other, same)
