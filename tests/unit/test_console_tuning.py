"""What the fine-tuning page asks for, and what it offers to train from, before any service is asked."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from console_svc.domain.choices import choices, read_value, value_of
from console_svc.inbound.tuning_requests import Bulk, Examples, Training

ONE = "0190a7f0-0000-7000-8000-000000000001"
TODAY = date(2026, 11, 30)
LIMITS = {"max_epochs": 50, "max_batch": 256}


def model(provider: str, name: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "base_model": name, "aliases": [], "provider": provider, "provider_name": provider.title(),
        "name": name,
        "price_microdollars_per_million_tokens": 3_000_000, "price_as_of": "2026-01-01", "limits": LIMITS,
        "trainable": True, "training_closes": None, "shutdown": None, "key": {"training": "yes"},
    }  # fmt: skip
    return base | more


def provider(name: str, *, protocol: str = "jobs", own: bool = True) -> dict[str, Any]:
    capabilities = {"own_models": own}
    return {"provider": name, "name": name, "protocol": protocol, "capabilities": capabilities, "key": None}


CATALOGUE = {
    "items": [
        model("far", "huge", key=None),
        model("near", "smart", training_closes="2027-01-06", shutdown="2027-01-14"),
        model("near", "cheap", aliases=["cheapest"], training_closes="2028-01-06", key={"training": "no"}),
        model("near", "old", trainable=False),
        model("away", "any", key=None, price_microdollars_per_million_tokens=None),
    ],
    "providers": [provider("far", own=False), provider("near"), provider("away", protocol="file")],
}
DATASET = {"provider": "near", "base_model": "cheapest"}


def own(name: str, at: str) -> dict[str, Any]:
    return {
        "provider": at, "provider_name": at, "model": name, "shutdown": None, "version": 4, "step": None,
        "prices": {"training": 3.0, "as_of": "2026-01-01"},
    }  # fmt: skip


def test_two_models_of_the_agents_provider_come_first_and_its_own_is_chosen() -> None:
    found = choices(CATALOGUE, [own("ft:mine", "near"), own("theirs", "far")], DATASET, "", TODAY)
    assert [one.model for one in found.first] == ["smart", "cheap"]
    assert [one.model for one in found.rest] == ["ft:mine", "huge", "old", "any"]
    assert found.chosen is not None
    assert (found.chosen.model, found.is_behind) == ("cheap", False)
    smart, cheap = found.first
    assert (smart.closes, smart.ends, smart.key) == ("2027-01-06", "2027-01-14", "yes")
    assert (cheap.closes, cheap.key) == (None, "no")
    mine, huge, old, any_model = found.rest
    assert (mine.is_own, mine.made_of, mine.price) == (True, 4, 3_000_000)
    assert (huge.key, old.trainable, any_model.is_file, any_model.key) == ("none", False, True, "yes")


def test_what_somebody_chose_stays_chosen_and_what_is_not_offered_is_not() -> None:
    chosen = choices(CATALOGUE, [], DATASET, value_of("far", "huge"), TODAY)
    assert chosen.chosen is not None
    assert (chosen.chosen.model, chosen.is_behind) == ("huge", True)
    other = choices(CATALOGUE, [], {"provider": "gone", "base_model": "gone"}, value_of("no", "such"), TODAY)
    assert other.chosen == other.first[0]
    assert choices({"items": [], "providers": []}, [], DATASET, "", TODAY).chosen is None


@pytest.mark.parametrize("pair", [("a:b/c", "org/model:x"), ("", ""), ("p", "")])
def test_a_choice_survives_the_form(pair: tuple[str, str]) -> None:
    assert read_value(value_of(*pair)) == pair


def test_filters_are_sent_as_they_are_named() -> None:
    wanted = Examples.model_validate({"q": " роза ", "state": "saved", "group": ONE, "tag": ""})
    assert wanted.filter() == {"q": "роза", "state": "saved", "group": ONE}
    assert wanted.query() == f"?q=%D1%80%D0%BE%D0%B7%D0%B0&state=saved&group={ONE}"
    assert Examples.model_validate({"group": ""}).query() == ""


def test_a_change_of_many_names_them_or_the_filter() -> None:
    ids = Bulk.model_validate({"action": "add_tags", "tags": "spring, first ,", "ids": [ONE]})
    assert ids.body() == {"action": "add_tags", "dry_run": False, "ids": [ONE], "tags": ["spring", "first"]}
    everything = Bulk.model_validate(
        {"action": "teach", "weight": "0", "everything": True, "finding": "duplicate"}
    )
    assert everything.body(dry_run=True) == {
        "action": "set_weights", "dry_run": True, "filter": {"finding": "duplicate"}, "weight": 0,
    }  # fmt: skip


def test_settings_that_were_left_open_are_the_providers() -> None:
    empty = {"held_back": "", "n_epochs": "", "learning_rate_multiplier": "", "seed": "", "budget": ""}
    none = Training.model_validate(empty)
    assert (none.share, none.hyperparameters(), none.seed, none.budget_microdollars()) == (
        None,
        {},
        None,
        None,
    )
    given = Training.model_validate({"held_back": "10", "n_epochs": "3", "budget": "2.5", "seed": "-7"})
    assert (given.share, given.hyperparameters()) == (0.1, {"n_epochs": 3})
    assert (given.seed, given.budget_microdollars()) == (-7, 2_500_000)
