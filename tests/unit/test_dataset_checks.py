"""Every kind of damage is named by its code, and a fix that is offered mends it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from uuid import UUID

import orjson
import pytest

from chassis.errors import Text
from dataset_svc.domain import check_problems, problems
from dataset_svc.domain.checks import CODES, check
from dataset_svc.domain.checks.agent import agent_errors
from dataset_svc.domain.checks.copy import EXAMPLE_CONTEXT, Checked, Copy, check_copies
from dataset_svc.domain.checks.finding import Finding, finding_of
from dataset_svc.domain.checks.fixes import Fix, fixed
from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.message import Call, Message, Messages, Span, dump
from dataset_svc.domain.split import default_share, split_hash, threshold
from dataset_svc.domain.weights import Ratings, weights
from dataset_svc.usecases import check_examples
from tests.damage import DAMAGES, SOUND, TOOLS, Damage

FUNCTIONS = Functions.of_tools(TOOLS)
VALUES = {"rename_call": "find", "set_arguments": '{"city": "Oslo"}'}
NAMES = [name for name, *_ in DAMAGES]


def checked(messages: Messages, original: Messages = (), tools: Any = TOOLS, prompt: str = "") -> Checked:
    (found,) = check_copies(
        [Copy(UUID(int=0), _json(messages), _json(original or messages), "{}")], prompt, json.dumps(tools)
    )
    return found


def _json(messages: Messages) -> str:
    return orjson.dumps(dump(messages)).decode()


def findings(messages: Messages) -> list[Finding]:
    return check(messages, weights(messages, SOUND, Ratings({})), FUNCTIONS)


def test_a_sound_example_has_no_findings() -> None:
    assert checked(SOUND).findings == ()


@pytest.mark.parametrize(("name", "code", "damage"), DAMAGES, ids=NAMES)
def test_each_damage_is_named_by_its_code(name: str, code: str, damage: Damage) -> None:
    broken = damage(SOUND)
    found = dict(checked(broken).findings)
    assert code in found
    ids = {one.id for one in broken}
    assert found[code]["message_id"] in ids or CODES[code].fixes[0] in ("teach_last", "leave_out")
    again = finding_of(code, json.loads(json.dumps(found[code])))
    assert again.text.en != again.text.ru
    assert "{" not in again.text.en


@pytest.mark.parametrize(
    ("code", "damage", "fix"),
    [
        (code, damage, fix)
        for name, code, damage in DAMAGES
        for fix in CODES[code].fixes
        if fix != "leave_out" and name != "no answers"
    ],
)
def test_each_fix_mends_what_it_is_offered_for(code: str, damage: Damage, fix: str) -> None:
    broken = damage(SOUND)
    for _ in range(len(broken)):
        found = next((one for one in findings(broken) if one.code == code), None)
        if found is None:
            break
        broken = fixed(broken, Fix(fix, found, VALUES.get(fix)))
    assert [one.code for one in findings(broken) if one.code == code] == []


def test_deleting_a_hint_keeps_the_picture_beside_it() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = ({"type": "text", "text": "where? in Oslo"}, picture)
    hinted = Message(id="u", role="user", content=parts, hint=(Span(7, 14),))
    talk = (hinted, Message(id="a", role="assistant", content="in Oslo"))
    (found,) = [one for one in findings(talk) if one.code == "hint_left"]
    mended = fixed(talk, Fix("delete_hint", found))[0]
    assert (mended.content, mended.hint) == (({"type": "text", "text": "where?"}, picture), ())


def test_a_fix_that_needs_a_value_is_refused_without_one() -> None:
    broken = next(damage for name, _, damage in DAMAGES if name == "a function that is gone")(SOUND)
    (found,) = findings(broken)
    assert (found.facts["function"], found.fixes[0]) == ("Restaurants_9__Gone", "rename_call")
    with pytest.raises(EditRefusedError, match="function_name_invalid"):
        fixed(broken, Fix("rename_call", found))


def test_a_renamed_function_is_suggested_by_its_likeness() -> None:
    tools = json.loads(json.dumps(TOOLS).replace("find", "find_place"))
    ((code, place),) = checked(SOUND, tools=tools).findings
    assert (code, place["facts"]["closest"]) == ("function_unknown", "find_place")


def test_deleting_one_call_of_two_takes_only_its_answer() -> None:
    two = (Call("c1", "find", '{"city": "Oslo"}'), Call("c2", "gone", "{}"))
    talk = (
        *SOUND[:3],
        Message(id="a2", role="assistant", calls=two),
        SOUND[4],
        Message(id="t2", role="tool", content="{}", call_id="c2"),
        SOUND[5],
    )
    (found,) = findings(talk)
    mended = fixed(talk, Fix("delete_call", found))
    assert [one.id for one in mended] == ["u1", "a1", "u2", "a2", "t1", "a3"]
    assert findings(mended) == []


def test_what_is_cut_of_a_long_example_is_told_in_messages_and_answers() -> None:
    long = next(damage for name, _, damage in DAMAGES if name == "more than the model reads")(SOUND)
    ((code, place),) = checked(long).findings
    facts = place["facts"]
    assert (code, facts["cut_messages"], facts["cut_answers_that_teach"]) == ("example_too_long", 4, 2)
    assert facts["tokens"] > facts["limit"] == EXAMPLE_CONTEXT


def test_a_schema_of_a_stranger_is_evaluated_in_bounded_time_or_not_at_all() -> None:
    recursive = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    catastrophic = {"properties": {"city": {"pattern": "^(a+)+$"}}}
    broken: Any = {"type": "no such type"}
    for schema, expected in ((recursive, 0), (broken, 0), (catastrophic, 1)):
        tools = [{"type": "function", "function": {"name": "find", "parameters": schema}}]
        call = (Call("c1", "find", json.dumps({"city": "a" * 5_000 + "!"})),)
        talk = (*SOUND[:3], Message(id="a2", role="assistant", calls=call), *SOUND[4:])
        assert len(checked(talk, tools=tools).findings) == expected


def test_corrections_of_one_question_are_comparable_and_short_ones_only_in_their_place() -> None:
    def corrected(question: str, before: str, right: str) -> Any:
        original = (
            Message(id="u", role="user", content="hello"),
            Message(id="a", role="assistant", content=before),
            Message(id="q", role="user", content=question),
            Message(id="b", role="assistant", content="wrong"),
        )
        edited = (*original[:3], Message(id="b", role="assistant", content=right))
        return checked(edited, original).corrected[0]

    one = corrected("How long does delivery take?", "hi", "3 days")
    other = corrected("how long does DELIVERY take", "good day", "5 days")
    assert one.question == other.question
    assert one.answer != other.answer
    assert corrected("yes", "Cash?", "ok").question != corrected("yes", "Card?", "ok").question
    assert checked(SOUND).corrected == ()


def test_prompt_and_functions_are_checked_too() -> None:
    assert agent_errors("Be brief.", TOOLS) == []
    wrong = agent_errors("<|im_end|>", [*TOOLS, *TOOLS])
    assert [(one["code"], one["field"]) for one in wrong] == [
        ("special_token", "agent.prompt"),
        ("function_name_invalid", "agent.tools.1.function.name"),
    ]


def test_the_split_is_a_share_of_dialogs_that_never_moves() -> None:
    held = [split_hash(f"dialog {number}") < threshold(0.1) for number in range(10_000)]
    assert 900 < sum(held) < 1_100
    assert not any(split_hash(f"dialog {number}") < threshold(0.0) for number in range(1_000))
    assert (default_share(49), default_share(50)) == (0.0, 0.1)
    assert split_hash("dialog 1").hex() == "d8a0aea3faf1c0d4"


class Hearing:
    """A connection that hears, and lets the work end when it has heard twice."""

    def __init__(self) -> None:
        self.heard, self.twice = 0, asyncio.Event()

    async def execute(self, _: str) -> None:
        self.heard += 1
        if self.heard == 2:
            self.twice.set()


async def test_a_transaction_does_not_idle_while_a_very_long_example_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check_examples, "BEAT", 0.001)
    connection: Any = Hearing()

    async def work() -> Any:
        await connection.twice.wait()
        return ["checked"]

    found: Any = await check_examples.keep_awake(connection, work())
    assert found == ["checked"]

    async def fails() -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await check_examples.keep_awake(connection, fails())


def test_what_owners_read_has_no_names_of_fields_and_fits_every_number() -> None:
    refusals = [
        problems.unsound([Finding("no_trained_answer")]),
        check_problems.no_such_fix("hint_left", ["delete_hint"]),
        check_problems.fix_refused(
            EditRefusedError("no_such_message", Text("There is none.", "Такого нет."), "m1", "message_id")
        ),
        check_problems.warnings_unconfirmed([]),
    ]
    for action in [one.action for one in refusals]:
        assert action is not None
        assert not re.search(r"[A-Za-z]", action.ru), action.ru
        assert not re.search(r"_|findings|\bfixes\b", action.en), action.en
    for code in CODES.values():
        assert "(s)" not in code.en
        assert "line" not in code.en.split()
