"""A test chat as one sees it, and the stream by which its answers come."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from console_svc.domain.chat_view import Piece, pieces, seen, title_of
from console_svc.domain.server_events import Events, written
from console_svc.inbound.chat_stream import EditedIn, SaidIn


def message(name: str, parent: str | None, role: str = "user", column: int | None = None, **more: Any) -> Any:
    return {
        "message_id": name, "parent_id": parent, "column": column, "role": role,
        "status": "answered" if role == "assistant" else "said", "content": name, "tool_calls": [],
        "tool_call_id": None, "hint": [], "model": None, "error": None, **more,
    }  # fmt: skip


def chat(messages: list[Any], *ends: str | None, calls: tuple[str, ...] = ()) -> Any:
    columns = [
        {"column": place, "use": "route", "model": None, "branch": "", "message_id": end}
        for place, end in enumerate(ends)
    ]
    return {
        "messages": messages,
        "columns": columns,
        "open_calls": [{"tool_call_id": one} for one in calls],
    }


def test_one_column_shows_its_branch_and_how_to_step_to_others() -> None:
    tree = [
        message("q1", None),
        message("a1", "q1", "assistant"),
        message("q2", None),
        message("a2", "q2", "assistant"),
        message("a3", "q2", "assistant"),
        message("q3", None),
    ]
    view = seen(chat(tree, "a2"))
    (column,) = view.columns
    assert view.shared == ()
    assert [one.id for one in column.messages] == ["q2", "a2"]
    question, answer = column.messages
    assert (question.number, question.beside, question.earlier, question.later) == (2, 3, "q1", "q3")
    assert (answer.number, answer.beside, answer.earlier, answer.later) == (1, 2, "a3", "a3")
    assert column.leaf == "a2"


def test_two_columns_share_what_both_were_told_and_part_at_the_answers() -> None:
    tree = [
        message("q1", None),
        message("a1", "q1", "assistant", 0),
        message("b1", "q1", "assistant", 1, status="asking"),
    ]
    view = seen(chat(tree, "a1", "b1"))
    assert [one.id for one in view.shared] == ["q1"]
    assert [[one.id for one in column.messages] for column in view.columns] == [["a1"], ["b1"]]
    assert view.columns[1].messages[0].beside == 1
    assert (view.asking, view.columns[1].leaf) == (True, "q1")
    nothing = seen(chat([], None, None))
    assert (nothing.shared, nothing.columns[0].messages, nothing.columns[0].leaf) == ((), (), "")


def test_a_call_waits_until_it_is_answered_and_its_answer_names_the_function() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"of":"roses"}'}}
    tree = [message("q1", None), message("a1", "q1", "assistant", tool_calls=[call])]
    waiting = seen(chat(tree, "a1", calls=("c1",))).columns[0].messages[1].calls[0]
    assert (waiting.name, waiting.arguments, waiting.is_open) == ("price", '{\n  "of": "roses"\n}', True)
    tree.append(message("t1", "a1", "tool", tool_call_id="c1"))
    view = seen(chat(tree, "t1"))
    assert not view.columns[0].messages[1].calls[0].is_open
    assert view.columns[0].messages[2].answers == "price"


def test_hints_are_cut_out_by_code_points() -> None:
    assert pieces("a 🌷 b c", [{"start": 6, "end": 7}, {"start": 2, "end": 3}]) == (
        Piece("a "), Piece("🌷", is_hint=True), Piece(" b "), Piece("c", is_hint=True),
    )  # fmt: skip
    assert pieces("", []) == ()


def test_titles_are_one_short_line() -> None:
    assert title_of("  two\nlines ") == "two lines"
    assert len(title_of("word " * 40)) <= 60


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_is_read_however_it_is_cut(size: int) -> None:
    stream = b'event: dialog\ndata: {"a": "\xe2\x80\xa8\xd1\x8f"}\n\ndata: two\ndata: lines\n\n: comment\n\n'
    events = Events()
    found = [one for at in range(0, len(stream), size) for one in events.feed(stream[at : at + size])]
    assert found == [("dialog", '{"a": "\u2028я"}'), ("", "two\nlines"), ("", "")]


def test_what_is_written_is_read_again_and_no_line_of_it_begins_a_field() -> None:
    text = "<p>\r\nevent: answer-delta\rdata: x</p>"
    (read,) = Events().feed(written(text, "shown"))
    assert read == ("shown", "<p>\nevent: answer-delta\ndata: x</p>")


def test_forms_become_what_agent_svc_takes() -> None:
    assert SaidIn(revision=1, content="a\r\nb").body() == {"role": "user", "content": "a\nb"}
    answer = SaidIn(revision=1, tool_call_id="c1", column="1").body()
    assert answer == {"role": "tool", "content": "", "tool_call_id": "c1", "column": 1}
    assert EditedIn(revision=1, content="a").body() == {"content": "a"}
    marked = EditedIn.model_validate({"revision": 3, "content": "a b", "hint": "[[0, 1]]"})
    assert marked.body() == {"content": "a b", "hint": [{"start": 0, "end": 1}]}
    none = EditedIn.model_validate({"revision": 3, "content": "a", "hint": "[]"})
    assert none.body() == {"content": "a", "hint": []}
    for odd in ("[[1]]", "[1", "{}", "null, 1"):
        with pytest.raises(ValidationError):
            EditedIn.model_validate({"revision": 3, "content": "a", "hint": odd})
    assert marked.headers == {"If-Match": '"3"'}
