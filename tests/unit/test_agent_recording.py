"""What of a request is new, which ids it gets, and what was answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from agent_svc.domain.recording import answer_hash, answer_of, first_new, message_id, spoken
from agent_svc.usecases.record_turns import Turn, in_order


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def chunk(delta: dict[str, Any], index: int = 0) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": index, "delta": delta}]}).encode() + b"\n\n"


def test_only_what_follows_the_last_answer_is_new() -> None:
    said = spoken([{"role": "system", "content": "s"}, user("a"), {"role": "assistant", "content": "b"}])
    assert first_new(said) == 2
    assert first_new([*said, user("c"), user("d")]) == 2
    assert first_new([user("a"), user("b")]) == 0


def test_ids_follow_dialog_history_and_edit() -> None:
    first = message_id("d1", [user("a")])
    assert first == message_id("d1", [{"content": "a", "role": "user", "name": None}])
    others = {
        message_id("d2", [user("a")]),
        message_id("d1", [user("x"), user("a")]),
        message_id("d1", [user("a")], "m1"),
    }
    assert len(others | {first}) == 4


def test_a_stream_is_put_together_and_other_choices_left_out() -> None:
    body = (
        chunk({"role": "assistant", "content": "Gu"})
        + chunk({"content": "No"}, 1)
        + chunk({"content": "ten"})
    )
    assert answer_of(body + b"data: [DONE]\n\n", streamed=True) == {"role": "assistant", "content": "Guten"}


def test_calls_of_a_broken_off_stream_count_only_when_they_are_whole() -> None:
    calls = [
        {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"index": 1, "id": "c2", "function": {"name": "g", "arguments": '{"a": '}},
    ]
    broken = answer_of(chunk({"tool_calls": calls}), streamed=True)
    assert broken is not None
    assert [call["id"] for call in broken["tool_calls"]] == ["c1"]
    assert answer_of(chunk({"tool_calls": calls[1:]}), streamed=True) is None
    assert answer_of(chunk({"content": "He"}) + b'data: {"choi', streamed=True) == {
        "role": "assistant",
        "content": "He",
    }


def test_a_refusal_is_what_was_said() -> None:
    body = json.dumps({"choices": [{"message": {"content": None, "refusal": "No."}}]}).encode()
    assert answer_of(body, streamed=False) == {"role": "assistant", "content": "No."}
    assert answer_of(chunk({"refusal": "No."}), streamed=True) == {"role": "assistant", "content": "No."}


def test_what_is_no_answer_is_none() -> None:
    for body in (b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{"content":""}}]}'):
        assert answer_of(body, streamed=False) is None


def test_what_is_none_of_the_protocols_is_no_answer_and_no_error() -> None:
    for message in (b'"Hi"', b"[1]", b"7", b"null"):
        assert answer_of(b'{"choices":[{"message":' + message + b"}]}", streamed=False) is None
    odd = b'data: {"choices":["Hi"]}\n\ndata: {"choices":[{"delta":"Hi"}]}\n\ndata: {"choices":7}\n\n'
    odd += b'data: {"choices":[{"delta":{"tool_calls":["f"]}}]}\n\n'
    assert answer_of(odd, streamed=True) is None
    assert answer_of(odd + chunk({"content": "Guten"}), streamed=True) == {
        "role": "assistant",
        "content": "Guten",
    }


def test_two_answers_differ_by_what_they_say() -> None:
    assert answer_hash(user("a")) == answer_hash({"content": "a", "role": "user"})
    assert answer_hash(user("a")) != answer_hash(user("b"))


def turn(dialog: str, number: int | None) -> Turn:
    return Turn(
        tenant="t", dialog_id=dialog, agent_id="a", agent_version=1, model="m", messages=[], question_id="q",
        replaces=None, number=number, asked_at=datetime.now(UTC), answer=b"", streamed=False,
    )  # fmt: skip


def test_a_turn_waits_for_earlier_ones_that_are_elsewhere() -> None:
    opened = [("d1", 3), ("d1", 4), ("d1", 5), ("d2", 6)]
    now, later = in_order([turn("d1", 5), turn("d2", 6), turn("d1", 3), turn("d3", None)], opened)
    assert [(one.dialog_id, one.number) for one in now] == [("d3", None), ("d1", 3), ("d2", 6)]
    assert [(one.dialog_id, one.number) for one in later] == [("d1", 5)]
    now, later = in_order([turn("d1", 5), turn("d1", 3), turn("d1", 4)], opened)
    assert [one.number for one in now] == [3, 4, 5]
    assert later == []
