"""Word diffs, and what differs between two versions of an agent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_svc.domain import words
from agent_svc.domain.difference import difference
from agent_svc.domain.words import Piece, Span, added, changed_share, word_diff
from dataset_svc.domain import hints

TEXTS = st.text(alphabet="ab яё\n.,1", max_size=60)


def joined(pieces: list[Piece], *ops: str) -> str:
    return "".join(one.text for one in pieces if one.op in ops)


@given(TEXTS, TEXTS)
def test_the_pieces_of_a_diff_are_both_texts(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert joined(pieces, "same", "removed") == before
    assert joined(pieces, "same", "added") == after


@given(TEXTS, TEXTS)
def test_a_large_text_is_compared_by_lines_and_loses_nothing(before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "MAX_PRODUCT", 4)
        pieces = word_diff(before, after)
    assert joined(pieces, "same", "removed") == before
    assert joined(pieces, "same", "added") == after


@given(TEXTS, TEXTS)
def test_what_was_added_lies_in_the_text_in_order_without_blanks_at_its_ends(before: str, after: str) -> None:
    last = 0
    for span in added(before, after):
        assert last <= span.start < span.end <= len(after)
        assert after[span.start : span.end] == after[span.start : span.end].strip()
        last = span.end


@given(TEXTS, TEXTS)
def test_an_edit_has_the_same_hint_in_the_test_chat_and_in_the_editor(before: str, after: str) -> None:
    assert [tuple(one) for one in added(before, after)] == [
        (one.start, one.end) for one in hints.added(before, after)
    ]


def test_a_few_words_changed_all_over_a_long_prompt_stay_a_few() -> None:
    lines = [f"Rule {number}: sell apples of sort {number} for {number} euros." for number in range(1_500)]
    changed = [line.replace("sell", "offer") if place % 50 == 0 else line for place, line in enumerate(lines)]
    for join in ("\n", " "):  # 15,000 words
        assert changed_share(join.join(lines), join.join(changed)) == pytest.approx(30 / 15_000, abs=1e-4)


def test_added_words_are_counted_in_code_points() -> None:
    before, after = "Есть 🍎 яблоки?", "Есть 🍎 яблоки? Скажи, что есть. Все."
    (span,) = added(before, after)
    assert after[span.start : span.end] == "Скажи, что есть. Все."
    assert span == Span(15, 36)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("one two three four five", "one two three four five", 0.0),
        ("one two three four", "one two three four five", 0.2),
        ("one two three four five", "one two three four", 0.2),
        ("one two three four five", "one two three four FIVE", 0.2),
        ("one two", "three four", 1.0),
        ("", "", 0.0),
        ("", "new", 1.0),
        ("one  two", "one two", 0.0),
    ],
)
def test_the_share_of_changed_words(before: str, after: str, share: float) -> None:
    assert changed_share(before, after) == pytest.approx(share)


def version(prompt: str = "Sell apples.", *functions: dict[str, Any], **more: Any) -> dict[str, Any]:
    tools = [{"type": "function", "function": one} for one in functions]
    return {"prompt": prompt, "tools": tools, "base_model": "b", "provider": "p", **more}


PRICE = {"name": "price", "description": "a price", "parameters": {"type": "object", "properties": {}}}
STOCK = {"name": "stock", "parameters": {"type": "object"}}


def test_functions_are_told_apart_by_name() -> None:
    wider = PRICE | {"parameters": {"type": "object", "properties": {"sort": {"type": "string"}}}}
    found = difference(version("Sell.", PRICE), version("Sell.", STOCK, wider))
    assert (found.added, found.removed) == (("stock",), ())
    (changed,) = found.changed
    assert (changed.name, changed.fields, changed.in_schema) == ("price", ("parameters",), True)
    assert found.stale(0.2) == ("function_added", "function_changed")
    assert difference(version("Sell.", PRICE), version("Sell.")).stale(0.2) == ("function_removed",)


def test_another_description_or_order_does_not_make_a_model_stale() -> None:
    described = PRICE | {"description": "what it costs"}
    found = difference(version("Sell.", PRICE, STOCK), version("Sell.", STOCK, described))
    assert [one.fields for one in found.changed] == [("description",)]
    assert found.stale(0.2) == ()


def test_the_share_from_which_on_a_prompt_makes_stale_is_inclusive() -> None:
    found = difference(version("one two three four five"), version("one two three four 5"))
    assert found.score == pytest.approx(0.2)
    assert (found.stale(0.2), found.stale(0.21)) == (("prompt_changed",), ())


def test_settings_that_changed_are_named() -> None:
    found = difference(version(idle_seconds=10), version(idle_seconds=20))
    assert found.settings == {"idle_seconds": (10, 20)}
