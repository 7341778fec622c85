"""The rules of a training run, without any I/O: doubt, adoption, status, refusals, cost, shares, texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from training_svc.domain import activation, errors, estimate, explanations, job, refusals, run
from training_svc.usecases.report_erasures import holdings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FILE = run.TrainingFile("tenants/t/f.jsonl", "c0ffee" + "0" * 58, 10, 12, 240)
REQUEST = run.Request(
    tenant="t",
    run_id="r1",
    dataset_id="d1",
    version=1,
    agent_id="a",
    agent_version=1,
    base_model="gpt-4o-mini-2024-07-18",
    provider="openai",
    key_id="k",
    method="supervised",
    training=FILE,
    validation=None,
    prompt_fingerprint="f" * 64,
    hyperparameters={},
)
RUN = run.Run(REQUEST, NOW, epoch=4)


def some_job(job_id: str, at: int = 1, status: str = "queued", **more: str) -> job.Job:
    return job.Job(job_id, at, status, **more)  # type: ignore[arg-type]


def test_a_file_is_named_by_run_epoch_and_content_and_found_under_any_epoch() -> None:
    name = run.file_name(RUN, FILE)
    assert name == "r1-4-c0ffee0000000000.jsonl"
    assert run.is_copy_of("r1-2-c0ffee0000000000.jsonl", RUN, FILE)
    assert not run.is_copy_of("r1-2-0000000000000000.jsonl", RUN, FILE)
    assert not run.is_copy_of("r11-2-c0ffee0000000000.jsonl", RUN, FILE)


def test_an_empty_list_counts_only_after_the_timeout_and_a_gap_after_the_last() -> None:
    doubt = run.doubtful(run.creating(RUN, "file-1", None, NOW))
    seconds = [5, 60, 61, 70, 81, 100, 101]
    counts = []
    for second in seconds:
        doubt = run.found_none(doubt, NOW + timedelta(seconds=second), timeout=60, gap=20)
        counts.append(doubt.empty_lists)
    assert counts == [0, 0, 1, 1, 2, 2, 3]
    assert run.surely_not_created(doubt)


def test_a_run_that_must_not_start_is_given_up_in_the_right_way() -> None:
    assert run.given_up(replace(RUN, asked="cancel"), NOW).status == "cancelled"
    withdrawn = run.given_up(replace(RUN, withdrawn=True, asked="cancel"), NOW)
    assert (withdrawn.status, withdrawn.failure) == ("failed", run.Failure("version_withdrawn"))
    assert withdrawn.litter


def test_files_of_a_run_that_was_given_up_while_uploading_are_waited_for() -> None:
    """Their ids were never written down: an erasure is not over before they are deleted."""
    row = {"run_id": "r1", "own": True, "training_file_id": None, "validation_file_id": None, "models": []}

    def files(state: str | None, **more: str) -> list[tuple[str, str]]:
        held = holdings(row | {"files_state": state} | more)
        return [(one.id, one.state) for one in held if one.kind == "provider_file"]

    assert files("kept") == [("r1-*", "waiting")]
    assert files("left") == [("r1-*", "kept")]
    assert files("deleted") == [("r1-*", "deleted")]
    assert files("kept", training_file_id="f1") == [("f1", "waiting")]
    assert files(None) == [], "nothing was uploaded"


def test_the_oldest_living_job_is_kept() -> None:
    old, new, dead = some_job("a", 1), some_job("b", 2), some_job("c", 0, "cancelled")
    assert job.keep_one([new, old, dead]) == (old, [new])
    assert job.keep_one([dead]) == (dead, [])
    assert job.keep_one([]) == (None, [])


def test_a_listed_job_is_matched_by_run_or_by_file() -> None:
    made = run.creating(RUN, "file-1", None, NOW)
    assert job.belongs(some_job("a", run_id="r1"), made)
    assert job.belongs(some_job("a", training_file="file-1"), made)
    assert not job.belongs(some_job("a", run_id="r2", training_file="file-2"), made)
    assert not job.belongs(some_job("a"), RUN)


@pytest.mark.parametrize(
    ("provider_status", "status"),
    [
        ("validating_files", "waiting"),
        ("queued", "waiting"),
        ("running", "training"),
        ("paused", "paused"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("awaiting_capacity", "unknown"),
        ("succeeded", "unknown"),  # not yet named: not ready yet
    ],
)
def test_a_job_state_becomes_a_status(provider_status: str, status: str) -> None:
    after = job.followed(RUN, some_job("a", status=provider_status), 3_000_000, NOW)
    assert (after.status, after.provider_status) == (status, provider_status)


def test_success_names_model_and_cost_and_nothing_changes_it_later() -> None:
    done = job.Job("a", 1, "succeeded", model="ft:m", trained_tokens=2_000_000)
    after = job.followed(RUN, done, 3_000_000, NOW)
    assert (after.status, after.model, after.cost_microdollars) == ("ready", "ft:m", 6_000_000)
    assert job.followed(after, some_job("a", status="running"), 3_000_000, NOW) == after


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (None, "training_failed"),
        ("invalid_n_examples", "invalid_n_examples"),
        ("post_training_safety_check", "safety_check_failed"),
        ("something_new", "training_failed"),
    ],
)
def test_a_failed_job_has_a_reason_in_our_words(code: str | None, ours: str) -> None:
    after = job.followed(RUN, job.Job("a", 1, "failed", error_code=code), None, NOW)
    assert after.failure is not None
    assert after.failure.code == ours
    assert ours in explanations.EXPLANATIONS


@pytest.mark.parametrize(
    ("status", "code", "kind", "ours"),
    [
        (401, "invalid_api_key", errors.KeyRefusedError, "key_refused"),
        (403, "training_not_available", errors.RefusedError, "training_not_available"),
        (403, "unsupported_country_region_territory", errors.RefusedError, "country_not_supported"),
        (429, "insufficient_quota", errors.RefusedError, "insufficient_quota"),
        (429, "credit_balance_exhausted", errors.RefusedError, "credit_balance_exhausted"),
        (429, "project_monthly_limit_exceeded", errors.RefusedError, "limit_exceeded"),
        (429, "rate_limit_exceeded", errors.BusyError, "provider_busy"),
        (429, "slow_down", errors.BusyError, "provider_busy"),
        (500, "", errors.NoAnswerError, "provider_silent"),
        (503, "slow_down", errors.NoAnswerError, "provider_silent"),
        (408, "", errors.NoAnswerError, "provider_silent"),
        (404, "", errors.MissingError, "job_missing"),
        (307, "", errors.RefusedError, "request_refused"),
        (400, "invalid_training_file", errors.RefusedError, "invalid_training_file"),
        (400, "anything", errors.RefusedError, "request_refused"),
    ],
)
def test_a_refusal_becomes_an_error_of_ours(
    status: int, code: str, kind: type[errors.ProviderError], ours: str
) -> None:
    error = refusals.classify(status, code)
    assert (type(error), error.code) == (kind, ours)
    assert ours in explanations.EXPLANATIONS


def test_a_restricted_key_is_told_from_a_bad_one() -> None:
    message = "You have insufficient permissions. Missing scopes: api.files.write."
    error = refusals.classify(401, "", message=message)
    assert (error.code, error.param) == ("key_lacks_permission", "api.files.write")
    unnamed = refusals.classify(401, "", message="You have insufficient permissions: sk-secret")
    assert (unnamed.code, unnamed.param) == ("key_lacks_permission", None)


def test_retry_after_is_honoured_within_an_hour() -> None:
    def pause(seconds: float | None) -> float:
        error = refusals.classify(429, "rate_limit_exceeded", retry_after=seconds)
        assert isinstance(error, errors.BusyError)
        return error.retry_after

    assert [pause(7.5), pause(-3), pause(1e9)] == [7.5, 0.0, 3600.0]
    assert (pause(None) or 0) > 0


def test_every_text_is_there_in_both_languages() -> None:
    for code, (message, action) in explanations.EXPLANATIONS.items():
        for text in (message, action):
            assert text.en
            assert any("а" <= letter <= "я" for letter in text.ru.lower()), code
        assert len(action.en) <= 256


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(0, 1), (4, 25), (10, 10), (33, 3), (34, 3), (8_333, 3), (50_000, 1)],
)
def test_epochs_follow_the_cookbook_when_none_are_asked_for(examples: int, epochs: int) -> None:
    assert estimate.default_epochs(examples) == epochs
    assert estimate.epochs_of("auto", examples) == epochs
    assert estimate.epochs_of(7, examples) == 7


def test_the_cost_is_a_range_around_tokens_times_epochs_times_price() -> None:
    found = estimate.estimate(1_000_000, 100, None, 25_000_000)
    assert (found.epochs, found.trained_tokens) == (3, 3_000_000)
    assert (found.low_microdollars, found.high_microdollars) == (67_500_000, 82_500_001)


def target(model: str, share: float = 1.0) -> activation.Target:
    return activation.Target(model, "openai", "k", None, share)


def test_a_share_leaves_the_rest_to_what_serves_now() -> None:
    trained, base = target("new", 0.2), target("base")
    assert activation.with_share(target("new"), [target("old")], base) == [target("new")]
    assert activation.with_share(trained, [], base) == [trained, target("base", 0.8)]
    both = activation.with_share(trained, [target("new", 0.5), target("old", 0.25), target("x", 0.25)], base)
    assert [one.model for one in both] == ["new", "old", "x"]
    assert sum(one.share for one in both) == pytest.approx(1)
