"""A test chat's tree: what is said where, what is asked for, which branches are remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_svc.domain import chat_moves as moves
from agent_svc.domain import chat_tree as tree
from agent_svc.domain.chat_errors import FAILURES, explain
from agent_svc.domain.chat_tree import Call, Chat, Column, Node
from agent_svc.domain.deltas import Deltas
from agent_svc.domain.function_answers import answers_in, arguments_hash
from agent_svc.domain.words import Span
from agent_svc.usecases.ask_models import _said
from chassis.errors import Problem
from contracts.chat import ChatMessage

TWO_CALLS = (Call("c1", "price", "{}"), Call("c2", "stock", "{}"))


def chat(columns: int = 1) -> Chat:
    asked = tuple(Column() for _ in range(columns))
    return Chat("d", "shop", "", asked, [None] * columns, 0, 1, None, {})


def answered(one: Chat, asked: list[Node], *calls: Call) -> list[str]:
    """Let the models answer; publishes like the use case does."""
    publish(one)
    for node in asked:
        said = one.change(replace(node, status="answered", content=f"answer {node.position}", calls=calls))
        place(one, said)
    return [node.id for node in asked]


def publish(one: Chat) -> None:
    for node in list(one.nodes.values()):
        if node.status == "said" and node.branch is None and node.id not in PUBLISHED:
            place(one, node)


PUBLISHED: set[str] = set()


def place(one: Chat, node: Node) -> tree.Place:
    PUBLISHED.add(node.id)
    found = tree.place_of(one, node)
    one.nodes[node.id] = replace(node, branch=found.branch)
    one.published_leaf = node.id
    return found


def texts(one: Chat, column: int = 0) -> list[str | None]:
    return [node.content for node in one.path(one.active[column])]


def test_a_question_is_answered_at_the_end_of_its_branch() -> None:
    one = chat()
    answered(one, moves.say(one, "hello", None))
    answered(one, moves.say(one, "and?", None))
    assert texts(one) == ["hello", "answer 1", "and?", "answer 3"]
    assert {node.branch for node in one.nodes.values()} == {None}


def test_nothing_is_said_while_the_model_answers() -> None:
    one = chat()
    moves.say(one, "hello", None)
    with pytest.raises(Problem, match="still_answering"):
        moves.say(one, "hello?", None)


def test_an_edit_marks_the_words_that_the_message_did_not_have_at_first() -> None:
    one = chat()
    answered(one, moves.say(one, "Any apples?", None))
    (first,) = [node for node in one.nodes.values() if node.role == "user"]
    answered(one, moves.edit(one, first.id, "Any apples? Say yes.", None))
    second = one.path(one.active[0])[0]
    assert (second.hint, second.first, second.edited) == ((Span(12, 20),), "Any apples?", first.id)
    answered(one, moves.edit(one, second.id, "Any red apples? Say yes, please.", None))
    third = one.path(one.active[0])[0]
    marked = [third.content[span.start : span.end] for span in third.hint] if third.content else []
    assert marked == ["red", "Say yes, please."]
    answered(one, moves.edit(one, third.id, "Any apples?", None))
    assert one.path(one.active[0])[0].hint == ()
    assert len(one.nodes) == 8


@pytest.mark.parametrize("hint", [[Span(0, 0)], [Span(2, 99)], [Span(-1, 3)]])
def test_a_hint_must_lie_in_the_words(hint: list[Span]) -> None:
    one = chat()
    answered(one, moves.say(one, "Any apples?", None))
    with pytest.raises(Problem, match="hint_outside_content"):
        moves.edit(one, next(iter(one.nodes)), "Any?", hint)


def test_the_models_answer_cannot_be_edited() -> None:
    one = chat()
    (answer,) = answered(one, moves.say(one, "Any apples?", None))
    with pytest.raises(Problem, match="not_your_own"):
        moves.edit(one, answer, "Yes.", None)


def test_the_model_is_asked_once_all_calls_are_answered_in_any_order() -> None:
    one = chat()
    answered(one, moves.say(one, "price and stock?", None), *TWO_CALLS)
    with pytest.raises(Problem, match="calls_unanswered"):
        moves.say(one, "well?", None)
    with pytest.raises(Problem, match="call_not_named"):
        moves.answer_call(one, None, "5", None)
    assert moves.answer_call(one, "c2", "7 left", None) == []
    with pytest.raises(Problem, match="no_open_call"):
        moves.answer_call(one, "c2", "8 left", None)
    asked = moves.answer_call(one, None, "5 euros", None)
    assert [node.status for node in asked] == ["asking"]
    assert [node.call_id for node in one.path(asked[0].parent)][-2:] == ["c2", "c1"]


def test_editing_a_functions_answer_keeps_the_other_answers() -> None:
    one = chat()
    answered(one, moves.say(one, "price and stock?", None), *TWO_CALLS)
    moves.answer_call(one, "c1", "5 euros", None)
    answered(one, moves.answer_call(one, "c2", "7 left", None))
    first = next(node for node in one.nodes.values() if node.call_id == "c1")
    asked = moves.edit(one, first.id, "6 euros", None)
    assert len(asked) == 1
    tools = [node for node in one.path(asked[0].parent) if node.role == "tool"]
    assert [(node.call_id, node.content) for node in tools] == [("c1", "6 euros"), ("c2", "7 left")]
    assert tools[0].hint == ()


def test_two_columns_share_the_question_and_part_with_their_answers() -> None:
    one = chat(2)
    left, right = answered(one, moves.say(one, "hello", None))
    assert one.nodes[left].parent == one.nodes[right].parent
    assert (one.nodes[left].column, one.nodes[right].column) == (0, 1)
    answered(one, moves.say(one, "both", None))
    answered(one, moves.say(one, "right only", 1))
    assert texts(one, 0)[2:] == ["both", "answer 4"]
    assert texts(one, 1)[2:5:2] == ["both", "right only"]
    assert len(texts(one, 0)) == 4


def test_an_edit_of_the_shared_question_is_asked_in_both_columns() -> None:
    one = chat(2)
    answered(one, moves.say(one, "hello", None))
    asked = moves.edit(one, next(iter(one.nodes)), "hello there", None)
    assert [node.column for node in asked] == [0, 1]


def test_a_chosen_branch_is_gone_on_with_and_placed_after_its_end() -> None:
    one = chat()
    (answer,) = answered(one, moves.say(one, "first", None))
    answered(one, moves.edit(one, next(iter(one.nodes)), "second", None))
    moves.activate(one, answer)
    assert texts(one) == ["first", "answer 1"]
    moves.say(one, "more", None)
    question = one.path(one.active[0])[2]
    assert tree.place_of(one, question) == tree.Place(None, answer, question.id)


def test_a_branch_is_chosen_to_its_newest_end() -> None:
    one = chat()
    answered(one, moves.say(one, "first", None))
    answered(one, moves.say(one, "and?", None))
    moves.activate(one, next(iter(one.nodes)))
    assert texts(one) == ["first", "answer 1", "and?", "answer 3"]


def test_places_are_what_dialog_svc_makes_of_them() -> None:
    one = chat(2)
    left, right = moves.say(one, "hello", None)
    question = one.nodes[next(iter(one.nodes))]
    assert place(one, question) == tree.Place(None, None, None)
    assert place(one, replace(left, status="answered")) == tree.Place(None, None, None)
    assert place(one, replace(right, status="answered")) == tree.Place(None, question.id, right.id)
    moves.edit(one, question.id, "hello!", None)
    edited = one.nodes[one.path(one.active[0])[0].id]
    assert tree.place_of(one, edited) == tree.Place(question.id, None, edited.id)


def test_a_failed_answer_is_asked_for_in_its_place_and_a_given_one_beside() -> None:
    one = chat()
    (asked,) = moves.say(one, "hello", None)
    with pytest.raises(Problem, match="still_answering"):
        moves.ask_again(one, asked.id, stale=False)
    one.change(replace(asked, status="failed", error="interrupted"))
    (again,) = moves.ask_again(one, asked.id, stale=False)
    assert (again.id, again.attempt, again.error) == (asked.id, 2, None)
    answered(one, [again])
    (beside,) = moves.ask_again(one, asked.id, stale=False)
    assert beside.id != asked.id
    assert beside.parent == asked.parent


def test_one_may_speak_after_a_failed_answer_which_was_not_said() -> None:
    one = chat()
    (asked,) = moves.say(one, "hello", None)
    one.change(replace(asked, status="failed", error="interrupted"))
    moves.say(one, "are you there?", None)
    assert [node.content for node in one.path(one.active[0])][:2] == ["hello", "are you there?"]


def test_a_chat_holds_a_bounded_number_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_MESSAGES", 3)
    one = chat()
    answered(one, moves.say(one, "hello", None))
    with pytest.raises(Problem, match="test_dialog_full"):
        moves.say(one, "more", None)


def test_equal_arguments_are_equal_however_they_are_written() -> None:
    assert arguments_hash('{"a": 1, "b": [2]}') == arguments_hash('{"b":[2],"a":1}')
    assert arguments_hash("not json ") == arguments_hash("not json")
    assert arguments_hash('{"a": 1}') != arguments_hash('{"a": "1"}')


def test_a_call_id_counts_for_the_answer_that_it_stands_in() -> None:
    def message(role: str, **more: object) -> ChatMessage:
        return ChatMessage.model_validate({"id": "m", "role": role, "at": "2026-01-01T00:00:00Z", **more})

    def call(name: str) -> dict[str, object]:
        return {"id": "c1", "function": {"name": name, "arguments": "{}"}}

    found = answers_in(
        [
            message("assistant", tool_calls=[call("price")]),
            message("tool", tool_call_id="c1", content="5"),
            message("assistant", tool_calls=[call("stock")]),
            message("tool", tool_call_id="c1", content="7"),
            message("tool", tool_call_id="c9", content="nobody asked"),
        ]
    )
    assert [(one.name, one.content) for one in found] == [("price", "5"), ("stock", "7")]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_deltas_are_found_wherever_the_bytes_are_cut(size: int) -> None:
    stream = (
        'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n'
        'data: {"choices": [{"index": 0, "delta": {"content": "Да"}}]}\n\n'
        'data: {"choices": [{"index": 1, "delta": {"content": "no"}}]}\n\ndata: {"usage": {}}\n\n'
        "data: [DONE]\n\n"
    ).encode()
    deltas = Deltas()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [one for piece in pieces for one in deltas.feed(piece)] == [{"content": "Да"}]


def test_an_answer_that_broke_off_is_not_taken_for_one() -> None:
    whole = b'data: {"choices": [{"index": 0, "delta": {"content": "Yes"}}]}\n\n'
    assert _said(whole, streamed=True).error == "interrupted"
    assert _said(whole + b"data: [DONE]\n\n", streamed=True).content == "Yes"
    assert _said(b"data: [DONE]\n\n", streamed=True).error == "answer_empty"


@pytest.mark.parametrize("code", [*FAILURES, "401:", "404:model_not_found", "429:", "500:", "0:", "400:odd"])
def test_every_failure_says_in_both_languages_what_to_do(code: str) -> None:
    name, detail, action = explain(code)
    assert name
    for text in (detail, action):
        assert any("а" <= letter <= "я" for letter in text.ru.lower())
        assert text.en.isascii()
