"""The rules of examples: weights, hints, operations, checks, the training line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chassis.errors import Problem
from dataset_svc.domain import edits
from dataset_svc.domain.checks import check, errors
from dataset_svc.domain.hints import carry_over
from dataset_svc.domain.line import fragment, frame, line_messages
from dataset_svc.domain.message import Call, Message, Messages, Span, dump, load
from dataset_svc.domain.tokens import count_example, count_text, count_tools
from dataset_svc.domain.training import choose_key, settings_digest
from dataset_svc.domain.weights import Head, Ratings, head, weights
from deploy.simulator.validate import example_problem

NONE, BAD = Ratings({}), Ratings({"": {"client": "bad"}})


def user(name: str, text: str, **more: Any) -> Message:
    return Message(id=name, role="user", content=text, **more)


def answer(name: str, text: str | None = "answer", **more: Any) -> Message:
    return Message(id=name, role="assistant", content=text, **more)


def tool(name: str, call: str) -> Message:
    return Message(id=name, role="tool", content="{}", call_id=call)


CALLING = answer("a", None, calls=(Call("c1", "track", '{"n": 1}'), Call("c2", "track", "{}")))
TALK: Messages = (user("u", "hi"), CALLING, tool("t1", "c1"), tool("t2", "c2"), answer("b"))
SIX: Messages = tuple(one for n in range(6) for one in (user(f"u{n}", "?"), answer(f"a{n}", f"wrong {n}")))


def codes(messages: Messages) -> list[str]:
    return [one.code for one in check(messages, weights(messages, messages, NONE))]


def test_a_good_dialog_teaches_all_answers_and_a_bad_one_none() -> None:
    assert head(weights(SIX, SIX, NONE)) == Head(6, 6)
    assert head(weights(SIX, SIX, BAD)) == Head(0, 6)


def test_a_bad_dialog_with_one_corrected_answer_of_six_teaches_one() -> None:
    fixed = edits.apply(SIX, edits.EditText("a3", "right"))
    found = weights(fixed, SIX, BAD)
    assert (head(found), found["a3"]) == (Head(1, 6), 1)
    assert head(weights(edits.apply(fixed, edits.EditText("a3", "wrong 3")), SIX, BAD)) == Head(0, 6)


def test_an_inserted_answer_teaches_and_an_operators_only_once_switched_on() -> None:
    talk = (user("u", "hi"), answer("o", author="operator"))
    assert weights(talk, talk, NONE) == {"o": 0}
    on = edits.apply(talk, edits.SetWeight("o", 1))
    assert weights(on, talk, NONE) == {"o": 1}
    more = edits.apply(talk, edits.Insert("o", answer("new")))
    assert weights(more, talk, BAD) == {"o": 0, "new": 1}


def test_the_owners_rating_outweighs_the_clients_and_one_bad_answer_does_not_spoil_the_rest() -> None:
    assert head(weights(SIX, SIX, Ratings({"": {"client": "bad", "owner": "good"}}))).teaches == 6
    assert weights(SIX, SIX, Ratings({"a1": {"client": "bad"}})) == {f"a{n}": int(n != 1) for n in range(6)}


def test_an_answer_may_repeat_the_hint_but_the_question_may_not_keep_it() -> None:
    text = "Сколько ждать? доставка 3 дня"
    talk = (user("u", text, hint=(Span(15, 29),)), answer("a", "доставка 3 дня"))
    (left,) = errors(check(talk, weights(talk, talk, NONE)))
    assert (left.code, left.message_id, left.at) == ("hint_left", "u", Span(15, 29))
    assert codes(edits.apply(talk, edits.EditText("u", "Сколько ждать?"))) == []
    (moved,) = check(edits.apply(talk, edits.EditText("u", f"Ну, {text}")), {"a": 1})
    assert moved.at == Span(19, 33)
    assert codes(edits.apply(talk, edits.EditText("u", text, hint=()))) == []


@pytest.mark.parametrize(
    ("after", "left"),
    [
        ("how long? it is days", ["it is days"]),
        ("how long? ", []),
        ("how long? 😀 in 3 days", ["in 3 days"]),
        ("soon", []),
        ("", []),
    ],
)
def test_what_is_left_of_a_hint_follows_the_words(after: str, left: list[str]) -> None:
    found = carry_over("how long? it is in 3 days", after, (Span(10, 25),))
    assert [after[one.start : one.end].strip() for one in found] == left


def test_operations_change_what_they_name_and_nothing_else() -> None:
    changed = edits.apply(TALK, edits.EditCall("a", "c2", '{"n": 2}'))
    assert changed[1].calls == (CALLING.calls[0], Call("c2", "track", '{"n": 2}'))
    assert (*changed[:1], *changed[2:]) == (*TALK[:1], *TALK[2:])
    assert [one.id for one in edits.apply(TALK, edits.Delete("a", with_answers=True))] == ["u", "b"]
    assert edits.apply(TALK, edits.Insert(None, user("first", "x")))[0].id == "first"


@pytest.mark.parametrize(
    ("operation", "code", "field"),
    [
        (edits.EditText("nope", "x"), "no_such_message", "message_id"),
        (edits.EditText("b", None), "content_missing", "content"),
        (edits.EditText("u", "x", (Span(0, 2),)), "hint_outside_content", "hint"),
        (edits.EditCall("a", "nope", "{}"), "no_such_call", "call_id"),
        (edits.EditCall("a", "c1", "[]"), "arguments_not_json", "arguments"),
        (edits.Insert("u", user("b", "x")), "message_id_taken", "message.id"),
        (edits.SetWeight("u", 1), "not_an_answer", "weight"),
    ],
)
def test_an_operation_that_cannot_be_done_is_refused_by_code(
    operation: edits.Operation, code: str, field: str
) -> None:
    with pytest.raises(edits.EditRefusedError) as refused:
        edits.apply(TALK, operation)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (TALK, []),
        (TALK[:3] + TALK[4:], ["call_unanswered"]),
        (TALK[:1] + TALK[2:], ["tool_answer_without_call", "tool_answer_without_call"]),
        (edits.apply(TALK, edits.Delete("a", with_answers=True)), []),
        (TALK[:2], []),
        (TALK[:1], ["no_trained_answer"]),
        ((*TALK, user("last", "thanks")), ["trailing_messages_cut"]),
        ((user("u", "x <|endoftext|>"), answer("b")), ["special_token"]),
        ((user("u", "x"), answer("b", None)), ["content_missing"]),
        ((user("u", "x"), answer("b", None, calls=(Call("c", "f", "{"),))), ["arguments_not_json"]),
        ((user("u", "x"), answer("b", None, calls=(Call("c", "f g", "{}"),))), ["function_name_invalid"]),
        (
            (user("u", "x"), answer("b", None, calls=(Call("c", "f", "{}"), Call("c", "f", "{}")))),
            ["call_id_repeated"],
        ),
    ],
)
def test_checks_find_what_a_provider_would_refuse(messages: Messages, expected: list[str]) -> None:
    assert codes(messages) == expected


@pytest.mark.parametrize("messages", [TALK, TALK[:2], (*TALK, user("last", "bye")), SIX])
def test_what_passes_the_checks_passes_the_providers_validator(messages: Messages) -> None:
    found = weights(messages, messages, NONE)
    before, after = frame(
        "Prompt", [{"type": "function", "function": {"name": "track"}}], parallel_tool_calls=True
    )
    line = json.loads(before + fragment(line_messages(messages, found)).encode() + after)
    assert example_problem(line) is None
    assert line["messages"][-1]["role"] == "assistant"
    before, after = frame("", [], parallel_tool_calls=True)
    assert json.loads(before + b'{"role":"user"}' + after) == {"messages": [{"role": "user"}]}


def test_the_prompt_takes_the_place_of_leading_system_messages() -> None:
    talk = (Message(id="s", role="system", content="old"), user("u", "x"), answer("a"))
    assert [one["role"] for one in line_messages(talk, {"a": 1})] == ["user", "assistant"]


def test_messages_survive_their_json_form() -> None:
    full = replace(
        TALK[1], author="model", name="n", at="2026-01-01T00:00:00Z", model="m", agent_version=3, weight=0,
        hint=(Span(0, 1),),
    )  # fmt: skip
    parts = Message(id="p", role="user", content=({"type": "text", "text": "a"}, {"type": "image_url"}))
    assert load(json.loads(json.dumps(dump((full, parts))))) == (full, parts)


def test_tokens_follow_the_documented_constants() -> None:
    assert count_example([{"role": "user", "content": "hello"}]) == 3 + 3 + 1 + 1
    assert count_text("a" * 250_000) > 0
    function = {"name": "f", "parameters": {"properties": {"p": {"type": "string", "enum": ["a", "b"]}}}}
    words = count_text("f:") + count_text("p:string:") + count_text("a") + count_text("b")
    assert count_tools([{"function": function}]) == 7 + 3 + 3 - 3 + 3 + 3 + 12 + words
    assert count_tools([]) == 0


def test_a_proven_key_comes_first_and_a_refused_one_never() -> None:
    keys = [
        {"key_id": "1", "provider": "openai", "training": "no", "because": "closed"},
        {"key_id": "2", "provider": "openai", "training": "unverified"},
        {"key_id": "3", "provider": "openai", "training": "yes"},
        {"key_id": "4", "provider": "azure", "training": "yes"},
    ]
    assert choose_key(keys, "openai") == "3"
    assert choose_key(keys[:2], "openai") == "2"
    for given, code in ((keys[:1], "key_cannot_train"), (keys[3:], "no_provider_key")):
        with pytest.raises(Problem) as refused:
            choose_key(given, "openai")
        assert refused.value.code == code


def test_settings_that_train_the_same_model_are_the_same() -> None:
    settings = {"base_model": "m", "hyperparameters": {"a": 1, "b": 2}, "suffix": None, "seed": None}
    same = {**settings, "hyperparameters": {"b": 2, "a": 1}, "budget": 5}
    assert settings_digest(settings) == settings_digest(same)
    assert settings_digest(settings) != settings_digest(settings | {"seed": 1})
