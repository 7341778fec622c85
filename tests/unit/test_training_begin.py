"""What a run is refused for before anything is uploaded, what owners read, wishes and curves."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from chassis.catalogue import Catalogue
from deploy.stack.services import CATALOGUE
from training_svc.domain import curves, explanations, refusals, wishes
from training_svc.domain.acceptance import Offer, refusal
from training_svc.domain.estimate import estimate
from training_svc.domain.job import JobEvent, failure_code
from training_svc.domain.run import Failure, Request, TrainingFile
from training_svc.domain.texts import explain
from training_svc.outbound.parts import in_parts

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
READY = Catalogue(CATALOGUE)
FILE = TrainingFile("tenants/acme/f.jsonl", "c0ffee" * 10, 10_000, 50, 100_000)
REQUEST = Request(
    tenant="acme", run_id="r1", dataset_id="d1", version=1, agent_id="shop", agent_version=1,
    base_model="gpt-4o", provider="openai", key_id="k", method="supervised", training=FILE,
    validation=None, prompt_fingerprint="f", hyperparameters={},
)  # fmt: skip


def refused(on: date = date(2026, 11, 23), **changes: Any) -> Failure | None:
    request = replace(REQUEST, **changes)
    model = READY.base_model(request.provider, request.base_model)
    assert model is not None
    offer = Offer(
        READY[request.provider],
        model,
        READY.limits(request.provider, request.base_model),
        on,
        READY.still_training(on),
    )
    asked = request.hyperparameters.get("n_epochs")
    return refusal(
        request, offer, estimate(request.training.tokens, request.training.examples, asked, model.price)
    )


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"method": "reinforcement"}, "method_not_available", "method"),
        ({"training": replace(FILE, examples=9)}, "invalid_n_examples", "training_file"),
        ({"training": replace(FILE, bytes=9 * 1024**3)}, "file_too_large", None),
        ({"validation": replace(FILE, bytes=9 * 1024**3)}, "file_too_large", None),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameter_refused", "n_epochs"),
        ({"hyperparameters": {"batch_size": 257}}, "hyperparameter_refused", "batch_size"),
        ({"suffix": "x" * 65}, "hyperparameter_refused", "suffix"),
        ({"budget_microdollars": 1_000_000}, "over_budget", None),
        ({"provider": "azure", "budget_microdollars": 10**12}, "price_unknown", None),
        ({"provider": "azure", "training": replace(FILE, bytes=600 * 1024**2)}, "file_too_large", None),
        (
            {"provider": "nebius", "base_model": "meta-llama/Llama-3.3-70B-Instruct", "method": "dpo"},
            "method_not_available",
            "method",
        ),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_is_uploaded(
    changes: dict[str, Any], code: str, param: str | None
) -> None:
    failure = refused(**changes)
    assert failure is not None
    assert (failure.code, failure.param) == (code, param)
    assert code in explanations.EXPLANATIONS


def test_what_can_be_met_is_not_refused() -> None:
    assert refused() is None
    assert refused(base_model="ft:gpt-4o-2024-08-06:org::1") is None
    assert refused(training=replace(FILE, bytes=600 * 1024**2)) is None  # in parts
    assert refused(hyperparameters={"n_epochs": 50, "batch_size": "auto"}) is None
    assert refused(budget_microdollars=7_500_000) is None
    assert (
        refused(provider="file", base_model="any", method="dpo", training=replace(FILE, examples=1)) is None
    )


def test_a_date_of_the_catalogue_is_told_with_who_still_trains() -> None:
    failure = refused(on=date(2027, 1, 6))
    assert failure is not None
    assert failure.code == "training_not_available"
    english, russian = (explain(failure)[0].in_language(one) for one in ("en", "ru"))
    assert "since 2027-01-06 not for everybody" in english
    assert "These still train: Azure OpenAI, Nebius Token Factory" in english
    assert "с 2027-01-06 — для всех" in russian
    assert "По-прежнему обучают: Azure OpenAI" in russian
    # a model that is shut down is not trained either, wherever it is
    assert refused(on=date(2027, 1, 14), base_model="gpt-4o-mini") is not None


# each row of the provider's table of errors: what it answers, and the words an owner gets
REFUSALS = [
    (401, "invalid_api_key", "", "key_refused", ""),
    (401, "", "Missing scopes: api.files.write", "key_lacks_permission", "api.files.write"),
    (401, "", "Missing scopes: api.files.write, api.model.read", "key_lacks_permission", "api.model.read"),
    (403, "training_not_available", "", "training_not_available", ""),
    (403, "unsupported_country_region_territory", "", "country_not_supported", ""),
    (403, "anything", "", "request_refused", ""),
    (429, "insufficient_quota", "", "insufficient_quota", ""),
    (429, "credit_balance_exhausted", "", "credit_balance_exhausted", ""),
    (429, "organization_spend_limit_exceeded", "", "limit_exceeded", "organization_spend_limit_exceeded"),
    (429, "daily_limit_exceeded", "", "limit_exceeded", "daily_limit_exceeded"),
    (429, "billing_hard_limit_reached", "", "limit_exceeded", "billing_hard_limit_reached"),
    (429, "rate_limit_exceeded", "", "provider_busy", ""),
    (429, "slow_down", "", "provider_busy", ""),
    (500, "", "", "provider_silent", ""),
    (503, "slow_down", "", "provider_silent", ""),
    (404, "", "", "job_missing", ""),
    (400, "invalid_training_file", "", "invalid_training_file", ""),
    (400, "invalid_validation_file", "", "invalid_validation_file", ""),
    (400, "invalid_file_format", "", "invalid_file_format", ""),
    (400, "model_not_available", "", "model_not_available", ""),
]


@pytest.mark.parametrize(("status", "code", "message", "ours", "named"), REFUSALS)
def test_each_refusal_is_told_in_the_owners_words(
    status: int, code: str, message: str, ours: str, named: str
) -> None:
    error = refusals.classify(status, code, message=message)
    assert error.code == ours
    told_in_both_languages(Failure(error.code, error.param), named)


# each code with which a job fails
FAILURES = [
    ("invalid_n_examples", "invalid_n_examples"),
    ("invalid_file_format", "invalid_file_format"),
    ("invalid_training_file", "invalid_training_file"),
    ("invalid_validation_file", "invalid_validation_file"),
    ("moderation_blocked", "blocked_by_moderation"),
    ("content_policy_violation", "blocked_by_moderation"),
    ("safety_check_failed", "safety_check_failed"),
    ("failed_safety_evaluations", "safety_check_failed"),
    ("insufficient_quota", "insufficient_quota"),
    ("credit_balance_exhausted", "credit_balance_exhausted"),
    ("server_error", "provider_failed"),
    ("never_seen_before", "training_failed"),
    (None, "training_failed"),
]


@pytest.mark.parametrize(("code", "ours"), FAILURES)
def test_each_failure_of_a_job_is_told_in_the_owners_words(code: str | None, ours: str) -> None:
    assert failure_code(code) == ours
    told_in_both_languages(Failure(ours), "")


def told_in_both_languages(failure: Failure, named: str) -> None:
    assert failure.code in explanations.EXPLANATIONS
    message, action = explain(failure)
    for text in (message, action):
        assert re.fullmatch(r"[A-Z][^{}]*\.", text.en), text.en
        assert re.fullmatch(r"[А-ЯЁ][^{}]*\.", text.ru), text.ru
    assert named in message.en
    assert named in message.ru


def test_a_wish_stands_until_the_provider_agrees_or_the_run_has_ended() -> None:
    assert wishes.after_look("pause", None, "training", NOW) == ("pause", None)
    assert wishes.after_look("pause", None, "paused", NOW) == (None, wishes.WishResult("pause", "done", NOW))
    assert wishes.after_look("cancel", None, "ready", NOW) == (
        None,
        wishes.WishResult("cancel", "too_late", NOW),
    )
    assert wishes.after_look("resume", None, "paused", NOW) == ("resume", None)
    assert wishes.after_look("resume", None, "training", NOW)[1] == wishes.WishResult("resume", "done", NOW)
    before = wishes.WishResult("pause", "done", NOW)
    assert wishes.after_look(None, before, "ready", NOW) == (None, before)


async def test_a_stream_is_cut_into_parts_and_never_held_whole() -> None:
    held = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal held
        for _ in range(1_000):
            held += 10
            assert held <= 110  # one part and the chunk that completes it
            yield b"0123456789"

    sizes = []
    async for part in in_parts(chunks(), 99):
        held -= len(part)
        sizes.append(len(part))
    assert sizes == [99] * 101 + [1]


def line(code: str, **data: float) -> JobEvent:
    return JobEvent("e", NOW, "info", code, data)


def test_curves_come_from_the_diary_and_are_completed_by_the_result_file() -> None:
    diary = [
        line("step_done", step=2, total_steps=3, train_loss=1.5, train_mean_token_accuracy=0.5),
        line("step_done", step=1, train_loss=float("nan")),
        line("checkpoint_made", step=9, train_loss=1.0),
    ]
    found = curves.figures_of(diary)
    assert found == {2: {"train_loss": 1.5, "train_accuracy": 0.5}, 1: {}}
    text = (
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n"
        "1,2.0,0.4,,\n2,1.5,0.5,1.7,\n3,odd,0.6,NaN,0.7\nx,1,1,1,1\n,,,,\n0,1,1,1,1\n4.5,1,1,1,1\n"
    )
    results = curves.read_results(text.encode())
    assert results == {
        1: {"train_loss": 2.0, "train_accuracy": 0.4},
        2: {"train_loss": 1.5, "train_accuracy": 0.5, "valid_loss": 1.7},
        3: {"train_accuracy": 0.6, "valid_accuracy": 0.7},
    }
    assert curves.merged(found, results)[1] == results[1]


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"no,heading\n1,2\n", base64.b64encode(b"x" * 9)])
def test_a_result_file_that_is_none_has_no_curves(content: bytes) -> None:
    assert curves.read_results(content) == {}
