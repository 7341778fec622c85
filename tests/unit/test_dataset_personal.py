"""Personal data is found where people write it, and pseudonyms leave everything else as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_svc.domain.checks.personal import MAX_SPANS, personal_findings
from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.message import Call, Message, Messages, Span
from dataset_svc.domain.personal import detect, names, scan_version
from dataset_svc.domain.personal.json_text import leaves
from dataset_svc.domain.personal.places import allowed_values, own_values, places
from dataset_svc.domain.personal.rewriting import keep_weights, plan, rewritten
from dataset_svc.domain.personal.scan import DETECTORS
from dataset_svc.domain.weights import Ratings, weights
from tests.personal_set import HELD_OUT, Labelled, found_in, messages, scores

LEAST = {
    "phone": (0.95, 0.95), "email": (0.9, 0.95), "card": (0.95, 0.95), "inn": (0.95, 0.95),
    "snils": (0.95, 0.95), "passport": (0.95, 0.9), "iban": (0.95, 0.95), "name": (0.95, 0.8),
}  # fmt: skip
"""Precision and recall, a little below what docs/benchmarks.md tells of the same set."""
FOUND_BY = {1: "259e0d4b50a5fbca"}
"""What each version of the detectors finds in the labelled messages."""
SET = list(messages())
NOTHING = Functions()


def user(text: str, number: int = 0) -> Message:
    return Message(f"u{number}", "user", text)


def answer(text: str, number: int = 0) -> Message:
    return Message(f"a{number}", "assistant", text)


def pseudonymised(talk: Messages, functions: Functions = NOTHING, **more: Any) -> Messages:
    planned = plan(talk, talk, functions, **more)
    return talk if planned is None else rewritten(talk, planned, functions, **more)


def tools(**properties: Any) -> Functions:
    parameters = {"type": "object", "properties": properties}
    return Functions.of_tools([{"type": "function", "function": {"name": "f", "parameters": parameters}}])


def calling(arguments: dict[str, Any], text: str = "") -> Messages:
    call = Call("c", "f", json.dumps(arguments, ensure_ascii=False))
    return (user(text), Message("a", "assistant", None, calls=(call,)))


def test_the_set_is_large_and_its_labels_are_of_known_kinds() -> None:
    assert len(SET) >= 300
    assert {kind for one in SET for *_, kind in one.labels} == set(LEAST)
    assert sum(not one.labels for one in SET) > 100, "traps"


@pytest.mark.parametrize("kind", LEAST)
def test_precision_and_recall_on_the_labelled_set(kind: str) -> None:
    score = scores()[kind]
    assert score.precision >= LEAST[kind][0], score
    assert score.recall >= LEAST[kind][1], score


def test_other_finds_than_before_come_with_a_new_version_of_the_detectors() -> None:
    found = [(one.where, sorted(found_in(one.text))) for one in (*SET, *messages(HELD_OUT))]
    digest = hashlib.sha256(repr(found).encode()).hexdigest()[:16]
    assert digest == FOUND_BY.get(DETECTORS), (
        "raise DETECTORS, so that what is stored is looked through again"
    )


@pytest.mark.parametrize("one", [one for one in SET if one.labels], ids=lambda one: one.where)
def test_pseudonyms_leave_no_finding_and_nothing_else_changed(one: Labelled) -> None:
    talk = (user(one.text), answer("ok"))
    found = list(places(talk[0]))
    after = pseudonymised(talk)[0].text()
    assert list(places(user(after))) == []
    assert plan((user(after),), (), NOTHING) is None
    ends = [0, *(place.end for place in found)]
    starts = [*(place.start for place in found), len(one.text)]
    rest = after
    for kept in (one.text[end:start] for end, start in zip(ends, starts, strict=True)):
        assert kept in rest, "what stands between two finds stays, in order"
        rest = rest[rest.index(kept) + len(kept) :]
    if one.where.startswith("calls"):
        before, now = json.loads(one.text), json.loads(after)
        assert type(before) is type(now)
        assert len(before) == len(now)


def test_one_value_has_one_pseudonym_however_it_is_spelled_wherever_it_stands() -> None:
    call = Call("c", "book", '{"phone": "+79120000017", "who": {"email": "O.Belova@Example.com"}}')
    talk = (
        user("мой номер 8 (912) 000-00-17, второй 8-926-000-11-22, почта o.belova@example.com"),
        Message("a", "assistant", "Записала: +7 912 000 00 17.", calls=(call,)),
        Message(
            "t", "tool", '[{"contact": "89120000017", "note": "почта O.BELOVA@example.com"}]', call_id="c"
        ),
    )
    asked, booked, told = pseudonymised(talk)
    assert asked.content == "мой номер телефон-1, второй телефон-2, почта почта-1"
    assert booked.content == "Записала: телефон-1."
    assert json.loads(booked.calls[0].arguments) == {"phone": "телефон-1", "who": {"email": "почта-1"}}
    assert told.content == '[{"contact": "телефон-1", "note": "почта почта-1"}]'


def test_a_name_in_any_case_and_the_first_name_alone_mean_one_person() -> None:
    talk = (
        user("Меня зовут Иван Петров. Запишите Ивана Петрова и Ольгу Сидорову."),
        answer("Иван, готово. Ольге тоже напомним."),
    )
    asked, told = pseudonymised(talk)
    assert asked.content == "Меня зовут Клиент-1. Запишите Клиент-1 и Клиент-2."
    assert told.content == "Клиент-1, готово. Клиент-2 тоже напомним."


def test_english_talk_gets_english_words() -> None:
    (asked, _) = pseudonymised((user("My name is Robert Hale, call 415-555-0142."), answer("ok")))
    assert asked.content == "My name is Client-1, call phone-1."


def test_numbers_go_on_after_the_pseudonyms_of_before() -> None:
    talk = (user("телефон-1 не отвечает"), user("тогда 8 912 000-00-17", 1), answer("хорошо"))
    assert pseudonymised(talk)[1].content == "тогда телефон-2"


def test_what_a_function_takes_only_in_its_form_gets_that_form_everywhere() -> None:
    functions = tools(phone={"type": "string", "pattern": r"^\+7\d{10}$"}, email={"type": "string"})
    talk = calling({"phone": "+79120000017", "email": "o@example.org"}, "звоните 8 (912) 000-00-17")
    asked, called = pseudonymised(talk, functions)
    assert asked.content == "звоните 8 (000) 000-00-01"
    assert json.loads(called.calls[0].arguments) == {"phone": "+70000000001", "email": "почта-1"}
    assert functions.misses("f", called.calls[0].arguments) == []
    assert list(places(asked)) == [] == list(places(called))


def test_a_name_that_a_function_takes_only_as_letters_is_that_for_its_longer_form_too() -> None:
    functions = tools(first_name={"type": "string", "pattern": "^[A-Za-zА-я ]+$"})
    asked, called = pseudonymised(calling({"first_name": "Иван"}, "Меня зовут Иван Петров"), functions)
    assert asked.content == "Меня зовут Client A"
    assert json.loads(called.calls[0].arguments) == {"first_name": "Client A"}


def test_a_number_stays_a_number() -> None:
    functions = tools(phone={"type": "integer", "minimum": 70_000_000_000})
    _, called = pseudonymised(calling({"phone": 79120000017}), functions)
    assert json.loads(called.calls[0].arguments) == {"phone": 70000000001}


def test_arguments_that_fit_no_pseudonym_are_refused_without_the_value() -> None:
    functions = tools(phone={"enum": ["+79120000017"]})
    with pytest.raises(EditRefusedError) as refused:
        pseudonymised(calling({"phone": "+79120000017"}), functions)
    assert (refused.value.code, refused.value.message_id) == ("pseudonym_does_not_fit", "a")
    assert "9120000017" not in refused.value.text.en + refused.value.text.ru + str(refused.value)


def test_spans_of_escaped_json_point_into_the_text_as_it_is_written() -> None:
    arguments = '{"note": "\\"\\u0442\\u0435\\u043b\\": 8 912\\u00a0000-00-17\\n", "n": 1}'
    message = Message("a", "assistant", None, calls=(Call("c", "f", arguments),))
    (found,) = places(message)
    assert arguments[found.start : found.end] == "8 912\\u00a0000-00-17"
    assert (found.path, found.field) == ("note", "tool_calls.0.function.arguments")
    (after,) = pseudonymised((message,))
    assert json.loads(after.calls[0].arguments)["note"] == '"тел": phone-1\n'


def test_content_in_parts_is_counted_as_one_text_and_pictures_stay() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/89120000017.png"}}
    parts = ({"type": "text", "text": "see "}, picture, {"type": "text", "text": "or me@example.org!"})
    message = Message("u", "user", parts)
    (found,) = places(message)
    assert message.text()[found.start : found.end] == "me@example.org"
    (after,) = pseudonymised((message,))
    assert after.content == (parts[0], picture, {"type": "text", "text": "or email-1!"})


def test_a_hint_moves_along_with_its_words() -> None:
    text = "call 415-555-0142 please, say it costs 5"
    marked = replace(user(text), hint=(Span(5, 24), Span(26, len(text))))
    (after, _) = pseudonymised((marked, answer("ok")))
    assert [after.text()[one.start : one.end] for one in after.hint] == ["phone-1 please", "say it costs 5"]


def test_pseudonyms_change_nothing_of_what_teaches() -> None:
    original = (user("8 912 000-00-17"), answer("Звоним на 8 912 000-00-17"), answer("Да", 1))
    draft = (*original[:1], answer("Звоним на +79120000017"), *original[2:])
    bad = Ratings({"": {"owner": "bad"}})
    planned = plan(draft, original, NOTHING)
    assert planned is not None
    new = tuple(rewritten(one, planned, NOTHING) for one in (draft, original))
    assert new[0] == new[1], "spelled alike now, so that the edit shows no more"
    kept = keep_weights((draft, original), (new[0], new[1]), bad)
    assert weights(kept, new[1], bad) == weights(draft, original, bad) == {"a0": 1, "a1": 0}


def test_the_agents_own_values_and_the_allowed_ones_are_no_finding() -> None:
    talk = (user("8 912 000-00-17, a@example.com, 8 926 000-11-22"), answer("ok"))
    function = {"type": "function", "function": {"name": "f", "description": "mail a@example.com"}}
    allowed = allowed_values("Ring +7 912 000 00 17", json.dumps([function]), [("phone", "+79260001122")])
    assert own_values("Ring +7 912 000 00 17", "[]") == {("phone", "+79120000017")}
    assert list(personal_findings(talk, allowed)) == []
    assert plan(talk, talk, NOTHING, allowed) is None
    assert len(list(personal_findings(talk))) == 1


def test_a_finding_counts_all_names_some_and_holds_no_text() -> None:
    numbers = ", ".join(f"8 912 000-{one:02}-{two:02}" for one in range(2) for two in range(100))
    talk = (user(numbers), answer("Отправлю на a@example.com"), user("after 8 912 000-00-17", 9))
    first, second = personal_findings(talk)
    assert (first.facts["kinds"], len(first.facts["spans"])) == ({"phone": 200}, MAX_SPANS)
    assert (second.message_id, second.facts["kinds"]) == ("a0", {"email": 1})
    assert "example.com" not in str(second.stored()) + second.text.en
    assert (second.at, second.fixes) == (Span(12, 25), ("pseudonymise", "leave_out"))


def test_a_text_full_of_numbers_is_judged_by_their_shape_in_the_end() -> None:
    many = ", ".join(f"8 912 {one // 10_000:03} {one // 100 % 100:02} {one % 100:02}" for one in range(1_500))
    found = detect(many)
    assert len(found) == 1_500
    assert len({one.value for one in found}) == 1_500


def test_no_repr_shows_a_value() -> None:
    arguments = Call("c", "f", '{"phone": "89120000017"}')
    talk = (user("8 912 000-00-17 и o@example.org"), Message("a", "assistant", None, calls=(arguments,)))
    planned = plan(talk, talk, NOTHING)
    shown = repr(detect(talk[0].text())) + repr([list(places(one)) for one in talk]) + repr(planned)
    assert "912000" not in shown
    assert "example.org" not in shown


def test_without_the_extra_no_name_is_found_and_older_checks_are_due_once_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_names = scan_version()
    assert [one.kind for one in detect("Меня зовут Иван Петров, 8 912 000-00-17")] == ["name", "phone"]
    names.names_are_found.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    try:
        assert [one.kind for one in detect("Меня зовут Иван Петров, 8 912 000-00-17")] == ["phone"]
        assert scan_version() == with_names - 1
    finally:
        names.names_are_found.cache_clear()


PIECES = st.sampled_from(
    [
        *"0123456789١२", *" -()+.,@\n\\\"{}[]:/№«А", "тел ", "ИНН ", "паспорт ", "Иван ", "Петров", "И. ",
        "Mr. ", "(at)", " dot ", "собака", "точка", "8 912 ", "4242", "my name is ", "\u00a0", "😀",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map("".join)


@given(TEXTS)
@settings(deadline=None, max_examples=300)
def test_whatever_the_text_finds_lie_in_it_in_order_and_pseudonyms_end_them(text: str) -> None:
    end = 0
    for one in detect(text):
        assert end <= one.start < one.end <= len(text)
        assert one.value
        end = one.end
    pseudonymised((user(text), answer("ok")))


JSON = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none(),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXTS, one, max_size=3),
    max_leaves=8,
).filter(lambda one: isinstance(one, dict | list))


@pytest.mark.parametrize("ascii_only", [1, 0])
@given(value=JSON)
@settings(deadline=None, max_examples=150)
def test_every_value_of_json_is_met_at_its_path_and_pseudonyms_keep_the_rest(
    ascii_only: int,
    value: Any,
) -> None:
    text = json.dumps(value, ensure_ascii=bool(ascii_only))
    met = [(one.path, one.text) for one in leaves(text, lambda *_: True)]
    assert met == list(_values(value, ()))
    after = json.loads(pseudonymised((user(text), answer("ok")))[0].text())
    assert _shape(after) == _shape(value)


def _values(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Paths and texts of a value's strings and numbers, in order."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _values(one, (*path, str(key)))
    elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        yield "/".join(path), str(value)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return type(value)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 40_000, "8 9" * 9_000, "a@" * 9_000, "А. " * 9_000, "{" * 5_000, "+1 " * 9_000,
        "a." * 9_000 + "(at)", "a dot " * 5_000, "Иван " * 5_000, "Вера, " * 9_000, "(at) a " * 5_000,
        "тел 12-" * 5_000, "[" * 900 + "1" + "]" * 900,
    ],
    ids=lambda text: text[:8],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_no_text_takes_long(text: str) -> None:
    list(places(user(text)))
