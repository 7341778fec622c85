"""What the editor shows and sends, before any service is asked."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from console_svc.domain.contents import kinds_of, texts_of, with_texts
from console_svc.domain.copy import rows
from console_svc.domain.json_place import unspaced
from console_svc.domain.spans import Span, cut, narrowed, widened, within
from console_svc.domain.word_diff import MOST_WORK, differences
from console_svc.inbound.editor_requests import AcceptForm
from console_svc.usecases.edit_example import LABELS, stands_apart

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a":1}'}}
PARTS = [
    {"type": "text", "text": "one"},
    {"type": "image_url", "image_url": {}},
    {"type": "text", "text": "two"},
]


def test_a_text_is_cut_where_a_stretch_begins_or_ends() -> None:
    text = "🌷 call 555 now"
    found = cut(text, hint=(Span(2, 10),), personal=(Span(7, 10),))
    assert [(one.text, one.hint, one.personal) for one in found] == [
        ("🌷 ", False, False), ("call ", True, False), ("555", True, True), (" now", False, False),
    ]  # fmt: skip
    assert "".join(one.text for one in cut("short", hint=(Span(3, 99),))) == "short"
    assert cut("") == []
    assert within((Span(2, 6),), 4, 9) == (Span(0, 2),)


def test_a_hint_is_widened_and_narrowed_as_a_set_of_letters_would_be() -> None:
    chance = random.Random(7)
    for _ in range(300):
        spans: tuple[Span, ...] = ()
        letters: set[int] = set()
        for _ in range(6):
            start = chance.randrange(20)
            span = Span(start, start + 1 + chance.randrange(8))
            chosen = set(range(span.start, span.end))
            if chance.random() < 0.6:
                spans, letters = widened(spans, span), letters | chosen
            else:
                spans, letters = narrowed(spans, span), letters - chosen
            assert {at for one in spans for at in range(one.start, one.end)} == letters
            assert all(one.start < one.end for one in spans)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("It is lost.", "It is ready now.", "It is -lost-+ready now+."),
        ("ordered", "ordering", "-ordered-+ordering+"),
        ("same", "same", "same"),
        ("", "new", "+new+"),
        ("a b c", "a c", "a -b -c"),
        ("да, нет", "да", "да-, нет-"),
        ("Where is it?", "No idea.", "-Where is it?-+No idea.+"),
    ],
)
def test_words_differ_as_one_would_say_it(before: str, after: str, said: str) -> None:
    marks = {"same": "", "removed": "-", "added": "+"}
    parts = differences(before, after)
    assert "".join(marks[one.op] + one.text + marks[one.op] for one in parts) == said


def test_differences_hold_both_texts_however_long_they_are() -> None:
    chance = random.Random(3)
    words = ["one ", "two, ", "three\n", "ё ", "🌷"]
    pairs = [
        ("".join(chance.choices(words, k=chance.randrange(30))), "".join(chance.choices(words, k=9)))
        for _ in range(200)
    ]
    pairs.append(("a b " * MOST_WORK, "b c " * 1_000))
    for before, after in pairs:
        parts = differences(before, after)
        assert "".join(one.text for one in parts if one.op != "added") == before
        assert "".join(one.text for one in parts if one.op != "removed") == after


def test_what_is_typed_goes_back_to_where_it_came_from() -> None:
    assert (texts_of(PARTS), kinds_of(PARTS)) == (["one", "two"], ["image_url"])
    changed = with_texts(PARTS, ["1", "2"], may_be_empty=False)
    assert [one.get("text") for one in changed] == ["1", None, "2"]
    assert texts_of(PARTS) == ["one", "two"]
    assert with_texts(None, [""], may_be_empty=True) is None
    assert with_texts("old", ["new"], may_be_empty=True) == "new"


def test_arguments_are_sent_as_models_write_them() -> None:
    typed = '{\n  "a b": "x \\" y",\n  "n": 1.10,\n  "list": [1, 2]\n}'
    assert unspaced(typed) == '{"a b":"x \\" y","n":1.10,"list":[1,2]}'


def _message(identifier: str, role: str, content: str | None, **more: object) -> dict[str, object]:
    return {"id": identifier, "role": role, "content": content, "inserted": False, "edited": False, **more}


def test_deleted_messages_stand_where_they_were() -> None:
    original = [
        {"id": "m0", "role": "user", "content": "hi"},
        {"id": "m1", "role": "assistant", "content": None, "tool_calls": [CALL]},
        {"id": "m2", "role": "tool", "content": "{}", "tool_call_id": "c1"},
        {"id": "m3", "role": "assistant", "content": "bye"},
        {"id": "m4", "role": "user", "content": "?"},
    ]
    messages = [
        _message("m0", "user", "hi"),
        _message("new", "user", "more", inserted=True),
        _message("m3", "assistant", "good bye", edited=True, weight=1),
    ]
    shown = rows({"messages": messages, "original": original, "findings": []})
    assert [(one.id, one.deleted) for one in shown] == [
        ("m0", False), ("new", False), ("m1", True), ("m2", True), ("m3", False), ("m4", True),
    ]  # fmt: skip
    assert [(part.op, part.text) for part in shown[4].words[0].changed] == [
        ("added", "good "), ("same", "bye"),
    ]  # fmt: skip


def test_a_hint_stands_in_the_part_that_holds_it() -> None:
    message = _message("m0", "user", None, hint=[{"start": 3, "end": 5}]) | {"content": PARTS}
    (row,) = rows({"messages": [message], "original": [], "findings": []})
    assert [[piece.text for piece in words.pieces if piece.hint] for words in row.words] == [[], ["tw"]]
    assert (row.hints, row.loses_hint) == (["tw"], False)


def test_others_stand_in_nobodys_way_with_other_messages() -> None:
    def change(*ids: str | None, op: str = "edit") -> dict[str, object]:
        return {"by": "gleb", "at": "", "changes": [{"op": op, "message_id": one} for one in ids]}

    assert stands_apart([change("m1"), change("m2")], "m3")
    assert stands_apart([change(None, op="note")], "m3")
    assert not stands_apart([change("m1"), change("m3")], "m3")
    assert not stands_apart([change(None, op="discard")], "m3")
    assert not stands_apart([change(None, op="tags")], LABELS)
    assert not stands_apart([change()], "m3")
    assert not stands_apart([], "m3")
    assert not stands_apart([change("m1")] * 20, "m3")


@pytest.mark.parametrize("code", ["../restore", "%2e%2e", "a/b", "", "."])
def test_a_findings_code_is_no_path(code: str) -> None:
    with pytest.raises(ValidationError):
        AcceptForm(code=code)
