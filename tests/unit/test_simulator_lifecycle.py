"""A job's state follows from its times and the clock alone."""

import json
from dataclasses import asdict, replace

import pytest

from deploy.simulator import lifecycle, progress
from deploy.simulator.job_requests import plan
from deploy.simulator.records import Finding, Job, Plan, Stages, job_of_json

START = 1000.0
AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
JOB = Job(
    id="ftjob-abcdefghijklmnopqrstuvwx",
    account="0123456789abcdef",
    created_at=START,
    model="gpt-4o-2024-08-06",
    training_file="file-1",
    training_filename="t.jsonl",
    validation_file=None,
    suffix=None,
    seed=1,
    metadata=None,
    asked={**AUTO},
    stages=Stages(2, 2, 10),
    plan=Plan(examples=10, trained_tokens=100, n_epochs=5, batch_size=1, learning_rate_multiplier=1.8),
)
BAD = replace(JOB, error=Finding("invalid_n_examples", "too few", "training_file"))


@pytest.mark.parametrize(
    ("after", "status"),
    [(0, "validating_files"), (1.9, "validating_files"), (2, "queued"), (4, "running"), (14, "succeeded")],
)
def test_states_in_order(after: float, status: str) -> None:
    assert lifecycle.status(JOB, START + after) == status


def test_a_bad_file_fails_after_validation() -> None:
    assert lifecycle.status(BAD, START + 1) == "validating_files"
    assert lifecycle.status(BAD, START + 99) == "failed"
    assert lifecycle.finished_at(BAD, START + 99) == START + 2
    assert lifecycle.steps_done(BAD, START + 99) == 0
    assert progress.checkpoints(BAD, START + 99) == []


def test_pauses_put_everything_off() -> None:
    paused = lifecycle.pause(JOB, START + 9)
    assert lifecycle.status(paused, START + 500) == "paused"
    assert lifecycle.steps_done(paused, START + 500) == 25
    again = lifecycle.resume(paused, START + 509)
    assert lifecycle.status(again, START + 509) == "running"
    assert lifecycle.finished_at(again, START + 1000) == START + 14 + 500
    shown = [event["message"] for event in progress.events(again, START + 1000)]
    assert shown.index("Fine-tuning job resumed") < shown.index("Fine-tuning job paused")


@pytest.mark.parametrize("pause_first", [True, False])
def test_a_cancelled_job_stays_as_it_was(pause_first: bool) -> None:  # noqa: FBT001 - a parameter
    before = lifecycle.pause(JOB, START + 6) if pause_first else JOB
    cancelled = lifecycle.cancel(before, START + 9)
    assert lifecycle.status(cancelled, START + 10_000) == "cancelled"
    assert lifecycle.finished_at(cancelled, START + 10_000) == START + 9
    assert lifecycle.steps_done(cancelled, START + 10_000) == (10 if pause_first else 25)
    assert progress.events(cancelled, START + 10_000)[0]["message"] == "Fine-tuning job cancelled"


def test_a_job_is_read_back_as_stored() -> None:
    job = lifecycle.pause(replace(BAD, metadata={"a": "b"}), START + 1)
    assert job_of_json(json.loads(json.dumps(asdict(job)))) == job


def test_events_only_grow_and_keep_their_ids() -> None:
    seen: list[object] = []
    for tenth in range(160):
        now = [event["id"] for event in reversed(progress.events(JOB, START + tenth / 10))]
        assert now[: len(seen)] == seen
        seen = list(now)
    assert len(set(seen)) == len(seen) == 4 + 50 + 3 + 2


@pytest.mark.parametrize(
    ("examples", "epochs", "batch"),
    [(10, 10, 1), (3, 25, 1), (33, 3, 1), (200, 3, 1), (5000, 3, 10), (25_000, 1, 50), (500_000, 1, 256)],
)
def test_auto_settings(examples: int, epochs: int, batch: int) -> None:
    found = plan({**AUTO}, examples, tokens=10)
    assert (found.n_epochs, found.batch_size, found.trained_tokens) == (epochs, batch, 10 * epochs)
