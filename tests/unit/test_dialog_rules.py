"""The rules of dialogs: what is looked for, how long text is kept, silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import Problem
from dialog_svc.domain.dialog import Completion, Dialog, Node, Post
from dialog_svc.domain.proof import STRAGGLERS, expiries
from dialog_svc.domain.retention import FOR_EVER, Retention
from dialog_svc.domain.search import MAX_WORD_BYTES, MAX_WORDS, Stem, Wanted, to_query, wanted, words_of
from dialog_svc.inbound.erasure_views import KEPT
from dialog_svc.inbound.requests import make_cursor, read_cursor

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_dialogs_words_are_plain_and_its_grouped_digits_one_number() -> None:
    texts = ["Ёлка, ёлка! Call +7 (912) 345-67-89", "order ORD-10293 for 3 people"]
    assert words_of(texts) == [
        "елка", "call", "7", "912", "345", "67", "89", "79123456789",
        "order", "ord", "10293", "for", "3", "people",
    ]  # fmt: skip


def test_a_dialogs_words_are_bounded_in_number_and_size() -> None:
    assert len(words_of(str(number) for number in range(3 * MAX_WORDS))) == MAX_WORDS
    assert words_of(["ж" * MAX_WORD_BYTES, "ok"]) == ["ok"]


def test_digits_in_groups_are_looked_for_as_one_number() -> None:
    assert wanted("заказ 912 345-67") == wanted("Заказ 91234567")
    assert wanted("2 розы").numbers == ("2",)
    assert wanted("розы 5x").words == ("розы",)


def test_a_number_in_groups_is_not_cut_out_of_another() -> None:
    assert wanted("12-345 и 9912-345-67").numbers == ("12345", "991234567")


@pytest.mark.parametrize("token", ["7" * 2_100, "ж" * 512, "1 " * 100, "x1" * 40])
def test_what_no_document_can_hold_finds_nothing(token: str) -> None:
    assert wanted(f"роза {token}") == Wanted((), ())


def test_an_unknown_word_is_taken_as_a_beginning_or_as_mistyped() -> None:
    known = Stem("заказ", known=True, alike=[])
    mistyped = Stem("дотсавк", known=False, alike=["доставк", "сав"])
    assert to_query([known, mistyped], {}) == "('заказ') & ('дотсавк':* | 'доставк')"
    assert to_query([], {"345": ["79123456789"]}) == "('345':* | '79123456789')"
    assert to_query([], {}) is None


def test_what_is_looked_for_cannot_leave_its_quotes() -> None:
    assert to_query([Stem("a'b\\", known=True, alike=[])], {}) == "('a''b\\\\')"


def test_an_agents_class_comes_before_its_tenants_and_that_before_the_default() -> None:
    kept = Retention(365, {"acme": 30, "acme/shop%2F1": FOR_EVER})
    assert kept.days("acme", "shop/1") == FOR_EVER
    assert kept.days("acme", "other") == 30
    assert kept.days("globex", "shop/1") == 365


def test_a_silent_dialog_is_completed_at_its_newest_message_and_a_late_one_reopens_it() -> None:
    dialog = Dialog("acme", "d1", "shop", "live", NOON, NOON)
    dialog.fall_silent()
    assert (dialog.happened, dialog.ended_at) == ([], None)
    dialog.post(Post("m1", "user", NOON, None, "{}", None), {})
    dialog.fall_silent()
    assert dialog.happened == [Completion("m1", "idle", None, NOON, open=False)]
    assert dialog.ended_at == NOON
    dialog.post(Post("m2", "user", NOON + timedelta(hours=1), None, "{}", None), {})
    assert dialog.ended_at is None


def test_a_message_after_an_older_one_begins_a_branch_there_and_after_the_newest_goes_on() -> None:
    dialog = Dialog("acme", "d1", "shop", "test", NOON, NOON)
    known: dict[str, Node] = {}
    for name, replaces, after in [
        ("q1", None, None), ("a1", None, "q1"), ("b1", "a1", None), ("q2", None, "a1"), ("a2", None, "q2"),
        ("lost", None, "unknown"),
    ]:  # fmt: skip
        node = dialog.post(Post(name, "user", NOON, None, "{}", replaces, after), known)
        assert node is not None
        known[name] = node
    places = {name: (node.parent, node.branch) for name, node in known.items()}
    assert places == {
        "q1": (None, None), "a1": ("q1", None), "b1": ("q1", "b1"), "q2": ("a1", "q2"), "a2": ("q2", "q2"),
        "lost": ("a2", "q2"),
    }  # fmt: skip


def test_an_older_message_does_not_turn_a_dialogs_clock_back() -> None:
    dialog = Dialog("acme", "d1", "shop", "live", NOON, NOON)
    dialog.hear(3, NOON)
    dialog.hear(3, NOON - timedelta(hours=1))
    assert dialog.heard_at == NOON


def test_a_cursor_comes_back_as_the_place_that_it_was_made_of() -> None:
    assert read_cursor(make_cursor("newest", NOON, "d/1"), "newest") == (NOON.isoformat(), "d/1")
    assert read_cursor(make_cursor("longest", 7, "d1"), "longest") == (7, "d1")


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "eA==", "WzFd",
        make_cursor("oldest", NOON, "d1"),
        make_cursor("newest", NOON.replace(tzinfo=None), "d1"),
        make_cursor("newest", 7, "d1"),
        make_cursor("newest", NOON, "d\x00"),
        make_cursor("newest", NOON, "d\ud800"),
    ],
)  # fmt: skip
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(Problem, match="cursor_invalid"):
        read_cursor(cursor, "newest")


@pytest.mark.parametrize("value", [-1, 2**31, True, "7", None, 1.5])
def test_a_cursor_with_an_impossible_count_is_refused(value: int) -> None:
    with pytest.raises(Problem, match="cursor_invalid"):
        read_cursor(make_cursor("longest", value, "d1"), "longest")


def test_the_last_copy_is_as_young_as_the_last_that_was_heard() -> None:
    kept = {"chat.events": timedelta(days=8), "dialog.completed": timedelta(days=15)}
    late = NOON + timedelta(days=3)
    assert expiries(NOON, [None], kept) == {topic: NOON + STRAGGLERS + days for topic, days in kept.items()}
    assert expiries(NOON, [None, late], kept)["chat.events"] == late + STRAGGLERS + timedelta(days=8)


def test_every_topic_with_text_and_its_dead_letters_count_for_the_last_copy() -> None:
    assert {"chat.events", "dialog.completed", "chat.events.dialog-svc.dlt"} <= set(KEPT)
    assert "training.status" not in KEPT
    assert KEPT["dialog.completed"] == timedelta(days=15)
