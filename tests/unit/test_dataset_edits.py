"""The edit operations under any sequence: the example stays valid or the operation is refused by code."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_svc.domain import edits
from dataset_svc.domain.change import changed, still_stands
from dataset_svc.domain.checks import check, errors
from dataset_svc.domain.edits import EditRefusedError, Setting
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.hints import added, after_edit, first_sent
from dataset_svc.domain.line import line_messages
from dataset_svc.domain.message import Call, Message, Messages, Span, dump, load
from dataset_svc.domain.weights import Ratings, weights
from deploy.simulator.validate import example_problem

ORDER = {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}
TOOLS = [
    {"type": "function", "function": {"name": "track", "parameters": ORDER}},
    {"type": "function", "function": {"name": "free", "parameters": {"$ref": "https://elsewhere"}}},
]
ORIGINAL: Messages = (
    Message(id="s", role="system", content="be kind"),
    Message(id="u1", role="user", content="Где заказ? подсказка тут", hint=(Span(11, 24),)),
    Message(id="a1", role="assistant", author="model", calls=(Call("c1", "track", '{"order": 7}'),)),
    Message(id="t1", role="tool", content="{}", call_id="c1"),
    Message(id="a2", role="assistant", content="Скоро 😀"),
    Message(id="u2", role="user", content=({"type": "text", "text": "a b"}, {"type": "image_url"})),
    Message(id="a3", role="assistant", content=""),
)
SETTING = Setting({one.id: one for one in ORIGINAL}, own=True, functions=Functions.of_tools(TOOLS))

ids = st.sampled_from(["s", "u1", "a1", "t1", "a2", "u2", "a3", "n1", "n2", "nowhere"])
words = st.text(st.sampled_from("ab яё😀\n<|x|>"), max_size=12)
texts = st.one_of(words, st.just("Где заказ? подсказка тут"), st.just("Где заказ?"))
contents = st.one_of(
    texts, st.none(), st.lists(texts.map(lambda one: {"type": "text", "text": one}), max_size=3).map(tuple)
)
spans = st.lists(
    st.builds(Span, st.integers(0, 30), st.integers(0, 30)).filter(lambda one: one.start < one.end),
    max_size=2,
).map(tuple)  # fmt: skip
arguments = st.sampled_from(['{"order": 1}', '{"order": "x"}', "{}", "[]", "{", '{"order": 2, "b": null}'])
call = st.builds(Call, st.sampled_from(["c1", "c2"]), st.sampled_from(["track", "free"]), arguments)
calls = st.lists(call, max_size=2).map(tuple)


@st.composite
def inserted(draw: Any) -> Message:
    role = draw(st.sampled_from(["user", "assistant", "tool", "system"]))
    made = draw(calls) if role == "assistant" else ()
    return Message(
        id=draw(ids), role=role, content=draw(texts), calls=made,
        call_id=draw(st.sampled_from(["c1", "c2"])) if role == "tool" else None,
        weight=draw(st.sampled_from([None, 0, 1])) if role == "assistant" else None,
    )  # fmt: skip


operations = st.one_of(
    st.builds(edits.EditText, ids, contents, st.one_of(st.none(), spans)),
    st.builds(edits.MarkHint, ids, spans),
    st.builds(edits.Restore, ids),
    st.builds(edits.EditCall, ids, st.sampled_from(["c1", "c2"]), arguments),
    st.builds(edits.Delete, ids, st.booleans()),
    st.builds(edits.Insert, st.one_of(st.none(), ids), inserted()),
    st.builds(edits.SetWeight, ids, st.sampled_from([None, 0, 1])),
)


def assert_valid(messages: Messages) -> None:
    """What every working copy must be, whatever was done to it."""
    assert len({one.id for one in messages}) == len(messages)
    for one in messages:
        length = len(one.text())
        assert all(0 <= span.start < span.end <= length for span in one.hint)
        assert one.weight is None or one.is_answer
        assert not one.calls or one.role == "assistant"
        assert one.content is not None or one.calls
    assert load(json.loads(json.dumps(dump(messages)))) == messages


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(operations, max_size=12))
def test_any_sequence_leaves_a_valid_example_or_is_refused_by_code(sequence: list[edits.Operation]) -> None:
    messages = ORIGINAL
    for operation in sequence:
        before, refused = messages, None
        try:
            messages = edits.apply(messages, operation, SETTING)
        except EditRefusedError as error:
            refused = error
            assert messages is before
        assert_valid(messages)
        assert messages is not before or (refused and refused.code and refused.field)
    found = weights(messages, ORIGINAL, Ratings({}))
    if not errors(check(messages, found)):
        line = {"messages": [{"role": "system", "content": "p"}, *line_messages(messages, found)]}
        assert example_problem(json.loads(json.dumps(line))) is None


@settings(max_examples=300, deadline=None, database=None)
@given(texts, texts)
def test_what_an_edit_added_is_all_that_the_other_text_has_not(before: str, after: str) -> None:
    marks = added(before, after)
    assert all(0 <= one.start < one.end <= len(after) for one in marks)
    assert all(one.end <= other.start for one, other in pairwise(marks))
    if before == after:
        assert marks == ()
    if not before.strip() and after.strip():
        assert "".join(after[one.start : one.end] for one in marks).split() == after.split()


def test_going_back_to_the_words_first_sent_is_no_hint_and_a_narrowed_mark_stays_narrow() -> None:
    first, hinted = "Где заказ?", "Где заказ? доставка 3 дня"
    marks = after_edit(first, first, hinted, ())
    assert [hinted[one.start : one.end] for one in marks] == ["доставка 3 дня"]
    assert after_edit(first, hinted, first, marks) == ()
    assert after_edit(first, "Где?", first, ()) == ()
    longer = f"{hinted} точно"
    assert [longer[one.start : one.end] for one in after_edit(first, hinted, longer, ())] == ["точно"]
    assert after_edit(None, first, hinted, ()) == ()


def test_a_message_as_first_sent_has_neither_hint_nor_the_blank_before_it() -> None:
    middle = Message(id="u", role="user", content="Где заказ, ну, мой?", hint=(Span(9, 13),))
    assert first_sent(middle).content == "Где заказ, мой?"
    assert first_sent(ORIGINAL[1]).content == "Где заказ?"
    leading = Message(id="u", role="user", content="psst: where?", hint=(Span(0, 5),))
    assert first_sent(leading).content == "where?"
    parts = (
        {"type": "text", "text": "how long "},
        {"type": "image_url"},
        {"type": "text", "text": "3 days?"},
    )
    in_parts = Message(id="u", role="user", content=parts, hint=(Span(9, 15),))
    assert first_sent(in_parts).text() == "how long ?"


def test_arguments_miss_a_schema_by_place_and_an_unsafe_schema_is_not_evaluated() -> None:
    functions = Functions.of_tools(TOOLS)
    assert functions.misses("track", '{"order": "x"}') == [("order", "type")]
    assert functions.misses("track", "{}") == [("", "required")]
    assert functions.misses("free", '{"anything": 1}') == functions.misses("unknown", "{}") == []
    deep = '{"order": ' + "[" * 100_000 + "]" * 100_000 + "}"
    assert functions.misses("track", deep) == []


def test_deleting_a_call_names_the_answers_that_it_leaves_behind() -> None:
    left = edits.apply(ORIGINAL, edits.Delete("a1"))
    assert edits.orphans(left) == ["t1"]
    assert edits.orphans(edits.apply(ORIGINAL, edits.Delete("a1", with_answers=True))) == []


@pytest.mark.parametrize("between", [(), (Message(id="t2", role="tool", content="2", call_id="c2"),)])
def test_answers_go_with_their_call_but_not_those_to_a_later_call_of_the_same_id(
    between: Messages,
) -> None:
    again = (replace(ORIGINAL[2], id="a9"), replace(ORIGINAL[3], id="t9"))
    unanswered = (*ORIGINAL[:3], *between, ORIGINAL[4], *again)
    left = edits.apply(unanswered, edits.Delete("a1", with_answers=True))
    assert left == (*ORIGINAL[:2], *between, ORIGINAL[4], *again)
    answered = (*ORIGINAL[:3], *between, ORIGINAL[3], *again)
    assert edits.apply(answered, edits.Delete("a1", with_answers=True)) == (*ORIGINAL[:2], *between, *again)


def test_restoring_keeps_the_weight_and_is_refused_for_what_was_inserted() -> None:
    edited = edits.apply(ORIGINAL, edits.EditText("a2", "иначе"))
    weighed = edits.apply(edited, edits.SetWeight("a2", 0))
    restored = edits.apply(weighed, edits.Restore("a2"), SETTING)
    assert restored[4] == replace(ORIGINAL[4], weight=0)
    inserted = edits.apply(ORIGINAL, edits.Insert(None, Message(id="n", role="user", content="x")))
    with pytest.raises(EditRefusedError) as refused:
        edits.apply(inserted, edits.Restore("n"), SETTING)
    assert refused.value.code == "not_in_original"


def test_a_change_can_be_undone_only_while_it_stands() -> None:
    row = {"state": "draft", "saved_revision": None, "saved_draft": None, "draft_revision": 4}
    change = changed(row, state="saved", saved_revision=1, saved_draft=4)
    assert change.before == {"state": "draft", "saved_revision": None, "saved_draft": None}
    saved = {**row, **change.after}
    assert still_stands(saved | {"saved_draft": 5, "draft_revision": 5}, change.after)
    assert not still_stands(saved | {"saved_revision": 2}, change.after)
    assert not still_stands({"draft_revision": 6}, {"draft": 5})
    assert changed(saved, state="saved").after == {}
