"""The demo's dialogs: what is read, chosen, asked, and said to the topics."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.chat import DialogEnded, DialogRatedInChat, MessagePosted
from deploy.demo.backend import events_of
from deploy.demo.dialogs import (
    OWN,
    Dialog,
    DialogsError,
    agents,
    busiest,
    choose_question,
    load,
    pick,
)
from deploy.simulator.validate import example_problem

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def a_dialog(number: int, agent: str = "shop", **more: Any) -> Dialog:
    line = {
        "dialog_id": f"{agent}-{number}",
        "agent_id": agent,
        "prompt": "Help.",
        "messages": [
            {"role": "user", "content": f"question {number}"},
            {"role": "assistant", "content": f"answer {number}"},
        ],
    }
    return Dialog.model_validate(line | more)


def test_own_dialogs_can_be_trained_on_when_corrected() -> None:
    own = load(OWN)
    taught = pick(own, busiest(own), 200)
    assert (len(own), len(taught), sum(bool(one.corrections) for one in own)) == (40, 40, 10)
    assert sum(one.agent_id == busiest(own) for one in taught) >= 12
    for one in taught:
        messages = [
            message | ({"content": one.taught(place)} if one.taught(place) else {})
            for place, message in enumerate(one.messages)
        ]
        tools = [tool.model_dump(mode="json") for tool in one.tools]
        problem = example_problem({"messages": [{"role": "system", "content": one.prompt}, *messages],
                                   "tools": tools})  # fmt: skip
        assert problem is None, (one.dialog_id, problem)


def test_own_dialogs_are_bad_where_and_only_where_they_are_corrected() -> None:
    for one in load(OWN):
        assert (one.rating == "bad") == bool(one.corrections)
        assert all(one.taught(fix.message) != one.messages[fix.message]["content"] for fix in one.corrections)


def test_own_question_is_one_whose_answer_was_corrected() -> None:
    own = load(OWN)
    question = choose_question(pick(own, "flowers", 200), "flowers")
    asked = next(one for one in own if one.messages[0]["content"] == question.text)
    assert question.taught == asked.corrections[0].content


def test_events_come_in_order_with_the_end_last() -> None:
    dialog = a_dialog(1, rating="bad", outcome="failure")
    first, second, rated, ended = events_of(dialog, NOW)
    assert isinstance(first, MessagePosted)
    assert isinstance(second, MessagePosted)
    assert (first.message.author, second.message.author) == ("client", "model")
    assert first.message.at < second.message.at < NOW
    assert first.message.id != second.message.id
    assert isinstance(rated, DialogRatedInChat)
    assert rated.rating == "bad"
    assert isinstance(ended, DialogEnded)
    assert (ended.outcome, ended.at) == ("failure", NOW)


def test_a_message_that_is_none_is_refused_with_its_place() -> None:
    dialog = a_dialog(1, messages=[{"role": "tool", "content": "secret"}])
    with pytest.raises(DialogsError, match="dialog shop-1, message 0") as refused:
        list(events_of(dialog, NOW))
    assert "secret" not in str(refused.value)


def test_half_of_the_examples_are_the_trained_agents_and_the_rest_go_round() -> None:
    dialogs = [a_dialog(n) for n in range(30)]
    dialogs += [a_dialog(n, agent) for agent in ("a", "b") for n in range(8)]
    picked = [one.agent_id for one in pick(dialogs, "shop", 20)]
    assert {agent: picked.count(agent) for agent in picked} == {"shop": 10, "a": 5, "b": 5}
    assert len(pick(dialogs, "shop", 200)) == 46
    few = [one.agent_id for one in pick(dialogs[15:], "shop", 40)]
    assert {agent: few.count(agent) for agent in few} == {"shop": 15, "a": 8, "b": 8}


def test_bad_dialogs_are_picked_only_when_corrected() -> None:
    fix = [{"message": 1, "content": "right"}]
    dialogs = [a_dialog(1), a_dialog(2, rating="bad"), a_dialog(3, rating="bad", corrections=fix)]
    assert [one.dialog_id for one in pick(dialogs, "shop", 200)] == ["shop-3", "shop-1"]


def test_the_question_is_one_that_only_one_example_begins_with() -> None:
    same = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    calling = [{"role": "user", "content": "Call"}, {"role": "assistant", "tool_calls": [call]}]
    picked = [
        a_dialog(1, messages=same),
        a_dialog(2, messages=same),
        a_dialog(3, messages=calling),
        a_dialog(4, "other"),
        a_dialog(5),
    ]
    question = choose_question(picked, "shop")
    assert (question.text, question.taught) == ("question 5", "answer 5")
    with pytest.raises(DialogsError):
        choose_question(picked[:4], "shop")


def test_an_agent_gets_its_commonest_prompt() -> None:
    dialogs = [a_dialog(1, prompt="Old."), a_dialog(2), a_dialog(3), a_dialog(4, "other")]
    assert {name: one.prompt for name, one in agents(dialogs).items()} == {"shop": "Help.", "other": "Help."}


def test_too_few_dialogs_are_refused() -> None:
    assert busiest([a_dialog(n) for n in range(10)]) == "shop"
    with pytest.raises(DialogsError, match="9 dialogs"):
        busiest([a_dialog(n) for n in range(9)])


def test_files_are_read_gzipped_or_not(tmp_path: Path) -> None:
    lines = "".join(a_dialog(n).model_dump_json() + "\n" for n in range(3))
    (tmp_path / "plain.jsonl").write_text(lines + "\n")
    with gzip.open(tmp_path / "packed.jsonl.gz", "wt") as file:
        file.write(lines)
    assert (
        load(tmp_path / "plain.jsonl")
        == load(tmp_path / "packed.jsonl.gz")
        == [a_dialog(n) for n in range(3)]
    )


GOOD = json.loads(a_dialog(1).model_dump_json())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no dialog"),
        ("{", "line 1"),
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD), "line 2: dialog_id is there twice"),
        (json.dumps(GOOD | {"messages": []}), "line 1: messages"),
        (json.dumps(GOOD | {"messages": [{"content": "x"}]}), "line 1: messages.0 has no role"),
        (json.dumps(GOOD | {"corrections": [{"message": 0, "content": "x"}]}), "no answer at 0"),
        (json.dumps(GOOD | {"corrections": [{"message": 9, "content": "x"}]}), "no answer at 9"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "wrong.jsonl").write_text(text)
    with pytest.raises(DialogsError, match=said):
        load(tmp_path / "wrong.jsonl")


@pytest.mark.parametrize("name", ["missing.jsonl", "not-packed.jsonl.gz", "binary.jsonl"])
def test_an_unreadable_file_is_refused(tmp_path: Path, name: str) -> None:
    if name != "missing.jsonl":
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DialogsError, match=name):
        load(tmp_path / name)
