"""Suggestions: what each rule finds in a dialog, and what it leaves alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from chassis.errors import Problem
from dataset_svc.domain.message import Message, Span
from dataset_svc.domain.suggestions import NAMES, Reason, Said, reasons_of, score
from dataset_svc.domain.suggestions.failure import says_error, says_nothing
from dataset_svc.domain.suggestions.human import asks_for_human
from dataset_svc.domain.suggestions.reason import POINTS, SHOWN
from dataset_svc.domain.suggestions.repetition import repeated
from dataset_svc.domain.suggestions.rules import MOST
from dataset_svc.domain.weights import Ratings
from dataset_svc.inbound.http_suggestions import Snooze, _read_cursor

LABELLED = Path(__file__).parent.parent / "bench" / "suggestions.jsonl"
ROLES = {"c": "user", "m": "assistant", "o": "assistant", "t": "tool"}
AUTHORS = {"c": "client", "m": "model", "o": "operator", "t": "automation"}


def talk(*lines: str, **more: Any) -> Said:
    """A dialog of lines "c: …" (client), "m: …" (model), "o: …" (operator) and "t: …" (function)."""
    said = tuple(
        Message(f"m{place}", ROLES[line[0]], line[3:], AUTHORS[line[0]]) for place, line in enumerate(lines)
    )
    return Said(said, more.pop("ratings", Ratings({})), **{"source": "live", **more})


def found(said: Said) -> dict[str, tuple[str, ...]]:
    return {one.name: one.message_ids for one in reasons_of(said)}


def test_a_dialog_that_went_well_has_no_reason() -> None:
    assert found(talk("c: Есть розы?", "m: Да, красные и белые.", "c: Красные, спасибо", "m: Готово")) == {}


def test_a_rating_counts_for_the_newest_branch_or_the_answer_that_was_rated() -> None:
    lines = ("c: Цена?", "m: 5", "c: А роз?", "m: 7")
    whole, answer = Ratings({"": {"client": "bad"}}), Ratings({"m3": {"client": "bad"}})
    assert found(talk(*lines, ratings=whole)) == {"rated_bad": ()}
    assert found(talk(*lines, ratings=whole, newest=False)) == {}
    assert found(talk(*lines, ratings=answer, newest=False)) == {"rated_bad": ("m3",)}
    assert found(talk(*lines[:2], ratings=answer)) == {}
    overruled = Ratings({"": {"client": "bad", "owner": "good"}})
    assert found(talk(*lines, ratings=overruled)) == {}


def test_an_operator_takes_over_from_the_model_and_not_from_nobody() -> None:
    assert found(talk("c: Где?", "m: Там", "c: Нет", "o: Я помогу", "o: Вот")) == {
        "operator_took_over": ("m3",)
    }
    assert found(talk("c: Где?", "o: Там", "m: Да", "o: Всё")) == {"operator_took_over": ("m3",)}
    assert found(talk("c: Где?", "o: Там", "c: Спасибо", "o: Рады помочь")) == {}


def test_a_hint_in_a_test_chat_names_the_message_and_what_followed() -> None:
    question = Message("q", "user", "Цена? (скажи 5)", "client", hint=(Span(6, 15),))
    answer = Message("a", "assistant", "5", "model")
    ratings = Ratings({})
    assert found(Said((question, answer), ratings, "test")) == {"edited_in_test_chat": ("q", "a")}
    assert found(Said((question,), ratings, "test")) == {}
    assert found(Said((question, answer), ratings, "live")) == {}
    assert found(Said((Message("q", "user", "Цена?", "client"), answer), ratings, "test")) == {}


def test_an_owner_who_tries_the_agent_is_no_client() -> None:
    lines = ("c: Соедините с оператором", "m: Зачем?", "c: Соедините с оператором сейчас", "m: Нет")
    assert set(found(talk(*lines))) == {"asked_for_human"}
    assert found(talk(*lines, source="test")) == {}


@pytest.mark.parametrize(
    "text",
    ['{"error": "no stock"}', '{"error": {"code": 5}}', '{"errors": ["x"]}', '{"success": false}',
     '{"ok": false, "n": 1}', '{"status": 500}', '{"status": "error"}', '{"statusCode": "404"}',
     '{"result": {"error": "x"}}', '[{"error": "x"}]', '{"exception": "KeyError"}', "Error: no such order",
     "Traceback (most recent call last):\n …", "ValueError: bad", "HTTP 503", "500 Internal Server Error",
     "Request timed out", "Ошибка: заказ не найден", '{"success": "false"}', '"error"'],
)  # fmt: skip
def test_an_error_is_told_by_its_shape(text: str) -> None:
    assert says_error(text)


@pytest.mark.parametrize(
    "text",
    ['{"error": null}', '{"error": ""}', '{"error": false}', '{"errors": []}', '{"error": "none"}',
     '{"success": true}', '{"status": 200}', '{"status": "ok"}', '{"status": true}', '{"price": 500}',
     '{"code": 450}', '{"status": 42000}', '[{"error": "x"}, {"error": null}]', "errors-free parts: 5",
     "error-free since 2020", '{"note": "error: none"}', "", "{", "null", "12",
     '{"name": "Error handling in Go"}', "The order is on its way"],
)  # fmt: skip
def test_what_only_looks_like_an_error_is_none(text: str) -> None:
    assert not says_error(text)


@pytest.mark.parametrize(("text", "empty"), [
    ("[]", True), ("{}", True), ("", True), (" ", True), ("null", True), ('{"items": []}', True),
    ("0", False), ("false", False), ("[0]", False), ('{"items": [], "n": 0}', False), ("none left", False),
])  # fmt: skip
def test_an_answer_is_empty_when_nothing_is_in_it(text: str, *, empty: bool) -> None:
    assert says_nothing(text) is empty


def test_an_empty_answer_is_a_failure_only_when_the_model_apologises_before_the_client_goes_on() -> None:
    assert found(talk("c: Розы?", "t: []", "m: К сожалению, ничего не нашлось")) == {
        "function_failed": ("m1",)
    }
    assert found(talk("c: Розы?", "t: []", "m: Каких роз вы хотите?")) == {}
    assert found(talk("c: Розы?", "t: []", "m: Каких?", "c: Красных", "m: Sorry, no")) == {}
    assert found(talk("c: Розы?", 't: {"error": "x"}', "m: Есть")) == {"function_failed": ("m1",)}


@pytest.mark.parametrize(
    ("said", "places"),
    [
        (["Where is my order 4512?", "Where is my order 4512"], [1]),
        (["Where is my order 4512?", "Where is my order 4513?"], []),
        (["Yes", "Yes", "Yes, please"], []),
        (["Когда приедет курьер с цветами?", "ага", "Так когда же курьер приедет с цветами?"], [2]),
        (["Какой адрес у первого отеля?", "Есть другие отели?", "Какой адрес у первого отеля?"], []),
        (["Find something else please", "Find something else please"], []),
        (["Верните деньги", "Я же сказал, верните деньги"], [1]),
        (["Я уже говорила с вашим менеджером"], []),
        (["Book it", "You didn't answer my question"], [1]),
    ],
)
def test_a_client_repeats_what_was_said_shortly_before(said: list[str], places: list[int]) -> None:
    assert repeated(said) == places


@pytest.mark.parametrize("half", ["a", "b"])
def test_the_labelled_messages_are_told_apart(half: str) -> None:
    """The rules were made with half a; nobody looked at what goes wrong in half b."""
    lines = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    rules: dict[str, Any] = {
        "asked_for_human": lambda said: asks_for_human(said[0]), "client_repeated": repeated,
    }  # fmt: skip
    for reason, rule in rules.items():
        mine = [one for one in lines if one["reason"] == reason and one["half"] == half]
        hits = [one for one in mine if rule(one["said"])]
        right = [one for one in hits if one["holds"]]
        assert len(right) >= 0.9 * len(hits)
        assert len(right) >= 0.7 * sum(one["holds"] for one in mine)


def test_only_the_beginning_of_a_message_and_the_last_messages_are_looked_at() -> None:
    """What a client writes must not keep the service busy."""
    assert asks_for_human("Соедините с оператором. " + "слово " * 100_000)
    assert not asks_for_human("слово " * 1_000 + "Соедините с оператором.")
    long = ["c: Соедините с оператором", *["c: да"] * MOST]
    assert found(talk(*long)) == {}
    assert found(talk(*long[:MOST])) == {"asked_for_human": ("m0",)}


def test_what_people_said_outright_counts_most() -> None:
    assert tuple(POINTS) == NAMES
    assert list(POINTS.values()) == sorted(POINTS.values(), reverse=True)
    reasons = [Reason("rated_bad"), Reason("client_repeated", tuple(map(str, range(99))))]
    assert score(reasons) == 70
    assert reasons[1].stored() == {"reason": "client_repeated", "message_ids": [str(n) for n in range(SHOWN)]}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_calendar_holds_in_utc_is_refused_as_cursor_and_as_snooze(moment: str) -> None:
    place = orjson.dumps([1, moment, "d", ""])
    with pytest.raises(Problem) as refused:
        _read_cursor(base64.urlsafe_b64encode(place).decode())
    assert refused.value.code == "bad_cursor"
    with pytest.raises(ValidationError):
        Snooze.model_validate({"until": moment})
