"""What a provider answers is read so that it can be stored, whatever it is."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from training_svc.domain.errors import NoAnswerError
from training_svc.outbound.answers import answered, read_event, read_job


def line(**more: Any) -> SimpleNamespace:
    usual = {"id": "e1", "created_at": 1, "level": "info", "message": "Step 1/9: loss=1", "type": "metrics"}
    return SimpleNamespace(**(usual | {"data": {}} | more))


def test_figures_that_json_cannot_hold_are_left_out_of_the_diary() -> None:
    data = json.loads('{"step": 1, "train_loss": NaN, "valid_loss": Infinity, "size": 1e300, "ok": 0.5}')
    assert read_event(line(data=data)).data == {"step": 1, "ok": 0.5}


def test_texts_that_the_database_does_not_take_are_mended() -> None:
    job = read_job(SimpleNamespace(id="ftjob-\x00", status="run\ud800ning", fine_tuned_model="ft:\x00m"))
    assert (job.id, job.status, job.model) == ("ftjob-\ufffd", "run\ufffdning", "ft:\ufffdm")
    read = read_event(line(id="e\x00", level="in\x00fo", data={"a\x00": 1}))
    assert (read.id, read.level, read.data) == ("e\ufffd", "in\ufffdfo", {"a\ufffd": 1})


def test_an_absurd_number_of_tokens_is_none() -> None:
    assert read_job(SimpleNamespace(id="j", status="succeeded", trained_tokens=10**30)).trained_tokens is None


@pytest.mark.parametrize("error", [OverflowError, RecursionError, KeyError, IndexError])
async def test_an_answer_that_cannot_be_read_is_no_answer(error: type[Exception]) -> None:
    with pytest.raises(NoAnswerError):
        async with answered(5):
            raise error


async def test_a_time_beyond_all_calendars_is_no_answer() -> None:
    with pytest.raises(NoAnswerError):
        async with answered(5):
            read_event(line(created_at=10**20))
