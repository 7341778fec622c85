"""Whom a dialog goes to, what stands in for what fails, and when a model's end is warned of."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from agent_svc.domain.breaker import Breaker
from agent_svc.domain.gateway_errors import ProviderRefusalError, refusal_problem
from agent_svc.domain.limits import Limit, Limits
from agent_svc.domain.retirement import nearest, warning_due
from agent_svc.domain.routing import (
    Place,
    candidates,
    may_fail_over,
    newest_other,
    place_of,
    with_fallback,
)
from chassis.errors import Problem
from contracts.agents import Route


def target(model: str, share: float | None = None, provider: str = "p") -> dict[str, Any]:
    named = {"model": model, "provider": provider, "key_id": "01998a5e-0000-7000-8000-000000000001"}
    return named | {"run_id": None} | ({"share": share} if share is not None else {})


ROUTE: dict[str, Any] = {
    "targets": [target("a", 0.5), target("b", 0.5)],
    "fallback": target("c", provider="q"),
}


def test_without_a_route_the_base_model_answers_alone() -> None:
    base = Place("p", "base", "k")
    found = candidates("shop", "d", None, base)
    assert found is not None
    assert (found.first, found.fallback) == (base, None)
    assert candidates("shop", "d", None, None) is None


def test_the_fallback_takes_over_the_share_and_moves_nobody_else() -> None:
    out = place_of(ROUTE["targets"][0])
    served = with_fallback(ROUTE, [out])
    assert served is not None
    assert [(one["model"], one["share"]) for one in served["targets"]] == [("c", 0.5), ("b", 0.5)]
    Route.model_validate(served)
    for number in range(50):
        before = candidates("shop", f"d{number}", ROUTE, None)
        after = candidates("shop", f"d{number}", served, None)
        assert before is not None
        assert after is not None
        assert after.first.model == {"a": "c", "b": "b"}[before.first.model]
        assert after.fallback == (None if after.first.model == "c" else before.fallback)


def test_only_a_target_with_another_fallback_fails_over() -> None:
    assert may_fail_over(ROUTE, place_of(ROUTE["targets"][1]))
    assert not may_fail_over(ROUTE, Place("p", "not in it", "k"))
    assert not may_fail_over(ROUTE | {"fallback": None}, place_of(ROUTE["targets"][1]))
    assert not may_fail_over(ROUTE | {"fallback": target("b")}, place_of(ROUTE["targets"][1]))
    assert not may_fail_over(None, place_of(ROUTE["targets"][1]))


def test_going_back_skips_what_is_the_same() -> None:
    assert newest_other(ROUTE, [ROUTE, None]) == (True, None)
    assert newest_other(None, [None]) == (False, None)
    assert newest_other(ROUTE, [ROUTE]) == (False, None)


def test_a_row_of_failures_ends_with_an_answer_or_a_pause() -> None:
    breaker = Breaker(3, 60.0)
    assert [breaker.failed("t", at) for at in (0, 1, 2)] == [False, False, True]
    assert [breaker.failed("t", at) for at in (3, 4)] == [False, False]
    breaker.answered("t")
    assert [breaker.failed("t", at) for at in (5, 6)] == [False, False]
    assert [breaker.failed("t", at) for at in (100, 101)] == [False, False]
    assert breaker.failed("t", 102)


@pytest.mark.parametrize(
    ("left", "due"),
    [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, None), (-3, None)],
)
def test_a_warning_is_due_sixty_thirty_seven_and_one_day_before(left: int, due: int | None) -> None:
    ends = date(2027, 1, 14)
    assert warning_due(ends, date.fromordinal(ends.toordinal() - left)) == due


def test_the_nearest_known_day_counts() -> None:
    assert nearest(None, date(2027, 2, 1), date(2027, 1, 1)) == date(2027, 1, 1)
    assert nearest(None, None) is None


@pytest.mark.parametrize(
    ("status", "kind", "shown"),
    [
        (404, "gone", 502),
        (401, "key_refused", 502),
        (403, "key_refused", 502),
        (429, "busy", 429),
        (0, "unavailable", 502),
        (408, "unavailable", 502),
        (503, "unavailable", 502),
        (400, "rejected", 400),
        (422, "rejected", 422),
    ],
)
def test_a_refusal_says_what_failed(status: int, kind: str, shown: int) -> None:
    refusal = ProviderRefusalError(status)
    problem = refusal_problem(refusal)
    assert (refusal.kind, problem.status) == (kind, shown)
    assert problem.action is not None
    assert problem.action.ru != problem.action.en


def test_requests_at_once_are_counted_and_given_back() -> None:
    limits = Limits(Limit(0, 1), {"big": Limit(0, 0)})
    with limits.one_more("acme"):
        with pytest.raises(Problem) as refused, limits.one_more("acme"):
            pass
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
        with limits.one_more("globex"), limits.one_more("big"), limits.one_more("big"):
            pass
    with limits.one_more("acme"):
        pass
