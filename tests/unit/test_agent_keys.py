"""What is known of a provider key, and what replacing it means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from agent_svc.domain.key import Key, Probe, Standing, after_probe, in_service, replacement, standing
from agent_svc.domain.key_texts import told
from agent_svc.outbound.provider import missing_scope

KEY = Key("k", "openai", 1, "cdef", "f", "unverified", "yes", None, None, organisation="org-a")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
FINE = Probe(reached=True, listed=frozenset({"base"}), organisation="org-a")


def test_the_closing_date_counts_from_its_day_on() -> None:
    closes = date(2027, 1, 6)
    proven = replace(KEY, training="yes")
    assert standing(proven, closes, date(2027, 1, 5)).training == "yes"
    assert standing(proven, closes, closes) == Standing("no", "training_closed", closes)


def test_a_refusal_that_was_seen_comes_before_the_date() -> None:
    refused = replace(KEY, training="no", because="training_not_available", since=NOW)
    assert standing(refused, date(2020, 1, 1), NOW.date()).because == "training_not_available"


@pytest.mark.parametrize("because", ["training_not_available", "country_not_supported"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_check_never_opens_a_closed_account(because: str, *, by_hand: bool) -> None:
    refused = replace(KEY, training="no", because=because, since=NOW)
    after = after_probe(refused, FINE, NOW, by_hand=by_hand)
    assert (after.training, after.because) == ("no", because)


def test_what_a_run_was_refused_for_stays_until_the_owner_asks() -> None:
    refused = replace(KEY, training="no", because="key_lacks_permission", since=NOW)
    assert after_probe(refused, FINE, NOW).training == "no"
    assert after_probe(refused, FINE, NOW, by_hand=True).training == "unverified"


def test_a_check_proves_that_a_key_cannot_train_never_that_it_can() -> None:
    assert after_probe(KEY, FINE, NOW).training == "unverified"
    assert after_probe(KEY, Probe(reached=True, refused=True), NOW).because == "key_refused"
    assert after_probe(KEY, Probe(), NOW) == KEY
    lacking = replace(FINE, missing_scope="")
    assert (after_probe(KEY, lacking, NOW).because, after_probe(KEY, lacking, NOW).infer) == (
        "scope_missing", "yes",
    )  # fmt: skip


def test_models_in_service_are_those_at_the_keys_provider() -> None:
    route = {
        "targets": [
            {"model": "ft:a", "provider": "openai", "run_id": "r", "share": 0.5},
            {"model": "other", "provider": "azure", "share": 0.5},
        ],
        "fallback": {"model": "base", "provider": "openai"},
    }
    definition = {"base_model": "base", "provider": "openai"}
    assert in_service("openai", route, definition) == {"ft:a": True, "base": False}
    assert in_service("azure", None, definition) == {}
    assert in_service("openai", None, definition) == {"base": False}


def test_a_key_that_does_not_list_what_serves_is_not_harmless() -> None:
    plan = replacement(KEY, {"ft:a": True, "base": False}, FINE)
    assert (plan.stops, plan.harmless, plan.same_account) == (("ft:a",), False, True)
    silent = replacement(KEY, {"base": False}, Probe())
    assert (silent.stops, silent.same_account) == (("base",), False)


def test_without_a_named_organisation_the_owners_own_model_tells_the_account() -> None:
    unknown = replace(KEY, organisation=None)
    both = Probe(reached=True, listed=frozenset({"ft:a", "base"}))
    assert replacement(unknown, {"ft:a": True}, both).same_account
    assert not replacement(unknown, {"base": False}, both).same_account
    foreign = replace(both, organisation="org-b")
    assert replacement(KEY, {"ft:a": True}, foreign).other_organisation


@pytest.mark.parametrize(
    ("status", "message", "scope"),
    [
        (401, "Missing scopes: api.files.write.", "api.files.write"),
        (403, "You have insufficient permissions for this operation.", ""),
        (401, "Incorrect API key provided", None),
        (500, "Missing scopes: api.files.write", None),
    ],
)
def test_the_missing_scope_is_read_from_the_refusal(status: int, message: str, scope: str | None) -> None:
    assert missing_scope(status, {"error": {"message": message}}) == scope
    assert missing_scope(status, ["no object"]) is None


@pytest.mark.parametrize(
    "because",
    ["training_not_available", "training_closed", "country_not_supported", "key_refused", "scope_missing",
     "key_lacks_permission", "something_new"],
)  # fmt: skip
def test_every_refusal_says_in_both_languages_what_is_so_and_what_to_do(because: str) -> None:
    detail, action = told(
        Standing("no", because, NOW.date()), provider="OpenAI", others=["Azure"], scope="api.files.write"
    )
    assert action is not None
    for text in (detail, action):
        assert text.en != text.ru
        assert any("а" <= letter <= "я" for letter in text.ru.lower())
    assert "provider" not in detail.en
