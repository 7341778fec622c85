"""Findings as they are stored: incremental, compared over examples, dismissed, fixed by one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chassis.errors import Problem
from dataset_svc.domain.edits import EditText, SetWeight
from dataset_svc.domain.message import Message, Messages
from dataset_svc.outbound import check_store, finding_store
from dataset_svc.usecases.check_examples import Checker, catch_up
from dataset_svc.usecases.edit_example import edit_example, lock_example
from dataset_svc.usecases.fix_example import fix_example
from dataset_svc.usecases.save_example import save_example
from dataset_svc.usecases.take_agent import take_agent
from deploy.stack.prepared import Prepared
from tests.damage import DAMAGES, SOUND, TOOLS
from tests.integration.curation import TENANT, Curation, agent_of, curating


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as made:
        yield made


def talk(number: int) -> Messages:
    return tuple(
        replace(one, content=f"{one.content} ({number})") if one.role == "user" else one for one in SOUND
    )


async def due(curation: Curation, dataset: Any) -> int:
    async with curation.database.transaction() as transaction:
        return await check_store.count_due(transaction.connection, TENANT, dataset)


async def test_each_damage_is_found_in_its_own_example_and_nothing_in_a_sound_one(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    (sound,) = await curation.take(dataset, SOUND)
    broken = await curation.take(dataset, *(damage(SOUND) for _, _, damage in DAMAGES), save=False)
    await curation.check()
    found = await curation.found(dataset)
    assert sound not in found
    for example, (name, code, _) in zip(broken, DAMAGES, strict=True):
        assert code in {one["code"] for one in found[example]}, name


async def test_an_edit_checks_one_example_again_and_an_unsaved_one_of_a_saved_example_none(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *(talk(number) for number in range(5)))
    await curation.check()
    assert (await due(curation, dataset), await curation.codes(dataset)) == (0, {})
    await curation.edit(examples[2], EditText("a3", "As you hinted, at Sino."), save=False)
    assert await due(curation, dataset) == 0
    await curation.edit(examples[2], EditText("a1", "Which city?"))
    assert await due(curation, dataset) == 1
    async with curation.database.tenant_transaction(TENANT) as transaction:
        assert await catch_up(transaction, tenant=TENANT, dataset_id=dataset) == 0
    assert await curation.codes(dataset) == {"answer_speaks_of_hint": 1}


async def test_other_functions_concern_every_example_and_another_prompt_only_long_ones(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *(talk(number) for number in range(3)))
    await curation.check()
    await curation.agent(tools=TOOLS, prompt="Be kind.", version=2)
    assert await due(curation, dataset) == 0
    await curation.agent(tools=[], prompt="Be kind.", version=3)
    assert await due(curation, dataset) == 3
    await curation.check()
    assert await curation.codes(dataset) == {"function_unknown": 3}
    await curation.agent(tools=TOOLS, prompt="an older version that came late", version=2)
    assert await due(curation, dataset) == 0


async def compared(curation: Curation, dataset: Any) -> dict[str, int]:
    """The codes, but for near duplicates: all of these are."""
    codes = await curation.codes(dataset)
    return {code: examples for code, examples in codes.items() if code != "near_duplicate"}


async def test_duplicates_and_contradictions_come_and_go_with_what_they_are_compared_with(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    same = await curation.take(dataset, SOUND, SOUND, SOUND)
    await curation.check()
    assert await compared(curation, dataset) == {"duplicate": 3}
    await curation.edit(same[0], EditText("a3", "At Sino, 377 Santana Row."))
    await curation.check()
    assert await compared(curation, dataset) == {"duplicate": 2}
    await curation.edit(same[1], EditText("a3", "Nowhere."))
    await curation.check()
    assert await compared(curation, dataset) == {"contradiction": 2}
    found = await curation.found(dataset)
    assert [one["with"] for one in found[same[0]] if one["code"] == "contradiction"] == [[str(same[1])]]
    await curation.remove(same[1])
    await curation.check()
    assert await compared(curation, dataset) == {}


async def test_two_workers_and_an_editor_at_once_leave_nothing_unchecked(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *(talk(number) for number in range(60)))

    async def change(number: int) -> None:
        for example in examples[number::4]:
            await curation.edit(example, EditText("a3", f"Answer {number}, as you hinted."))

    await asyncio.gather(curation.check(), *map(change, range(4)), curation.check())
    await curation.check()
    assert await due(curation, dataset) == 0
    assert (await curation.codes(dataset))["answer_speaks_of_hint"] == 60


async def test_a_change_that_is_not_committed_yet_is_not_missed(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    (example,) = await curation.take(dataset, SOUND, save=False)
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute(
            "UPDATE examples SET draft = draft - 5, draft_revision = draft_revision + 1 WHERE id = $1",
            example,
        )
        await curation.check()
    await curation.check()
    assert await curation.codes(dataset) == {"trailing_messages_cut": 1}


async def test_functions_that_change_during_a_check_are_not_missed(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, SOUND)
    async with curation.database.transaction() as transaction:
        await take_agent(transaction, tenant=TENANT, agent=agent_of("shop", [], "Be brief.", 2))
        await curation.check()
    await curation.check()
    assert await curation.codes(dataset) == {"function_unknown": 1}


async def test_functions_that_change_while_somebody_saves_wait_for_the_example(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    first, _ = await curation.take(dataset, talk(1), talk(2))
    await curation.check()
    async with curation.database.transaction() as transaction:
        await lock_example(transaction.connection, TENANT, first)
        changing = asyncio.create_task(curation.agent(tools=[], version=2))
        await curation.somebody_waits()
        # were its place in the queue taken already, each would wait for the other
        await edit_example(
            transaction, tenant=TENANT, by="olga", example_id=first, seen=None,
            operations=[EditText("a3", "At Oslo.")],
        )  # fmt: skip
        row = await lock_example(transaction.connection, TENANT, first)
        await save_example(transaction, tenant=TENANT, by="olga", row=row)
    await changing
    await curation.check()
    assert await curation.codes(dataset) == {"function_unknown": 2}


async def test_a_slice_is_bounded_by_bytes_and_a_request_leaves_what_is_large_to_the_worker(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    words = "word " * 150_000  # 750 kB, original and draft twice that
    large = [(replace(SOUND[0], content=f"{words} {number}"), *SOUND[1:]) for number in range(5)]
    await curation.take(dataset, *large, save=False)
    async with curation.database.tenant_transaction(TENANT) as transaction:
        assert await catch_up(transaction, tenant=TENANT, dataset_id=dataset) == 5
    assert await Checker(curation.database, curation.side).check_next()
    assert await due(curation, dataset) == 3  # 4 MiB hold two of 1.5 MB
    assert await curation.check() == 2
    (small,) = await curation.take(dataset, SOUND)
    await curation.edit(small, EditText("a3", "As you hinted."))
    async with curation.database.tenant_transaction(TENANT) as transaction:
        assert await catch_up(transaction, tenant=TENANT, dataset_id=dataset) == 0


async def test_an_example_that_is_larger_than_a_slice_is_checked_alone(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    huge = (replace(SOUND[0], content="word " * 500_000), *SOUND[1:])
    await curation.take(dataset, huge, SOUND, save=False)
    assert await curation.check() == 2
    assert await due(curation, dataset) == 0


async def test_a_dismissed_warning_holds_for_this_content_only(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    (example,) = await curation.take(dataset, SOUND, edits=[EditText("a3", "At Sino, as you hinted.")])
    await curation.check()

    async def open_warnings() -> int:
        async with curation.database.transaction() as transaction:
            (row,) = await finding_store.counts(transaction.connection, TENANT, dataset, saved_only=True)
        return int(row["examples"] - row["dismissed"])

    assert await open_warnings() == 1
    async with curation.database.tenant_transaction(TENANT) as transaction:
        connection, code = transaction.connection, "answer_speaks_of_hint"
        content = await finding_store.content_with(connection, TENANT, example, code)
        assert content is not None
        await finding_store.dismiss(connection, TENANT, example, code, content, "they did hint", "olga")
    assert await open_warnings() == 0
    (found,) = (await curation.found(dataset))[example]
    assert (found["dismissed"]["by"], found["dismissed"]["why"]) == ("olga", "they did hint")
    await curation.edit(example, EditText("a3", "As you hinted, at Sino."))
    await curation.check()
    assert await open_warnings() == 1


async def test_a_fix_mends_and_saves_by_one_call(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    (example,) = await curation.take(dataset, SOUND)
    await curation.agent(tools=[], version=2)

    async def fix(code: str, name: str) -> None:
        async with curation.database.tenant_transaction(TENANT) as transaction:
            await fix_example(
                transaction, tenant=TENANT, by="olga", example_id=example, seen=None, code=code,
                message_id=None, fix=name, value=None, save=True, language="en",
            )  # fmt: skip

    for code, name, refusal in (
        ("hint_left", "delete_hint", "no_such_finding"),
        ("function_unknown", "teach_last", "no_such_fix"),
        ("function_unknown", "rename_call", "function_name_invalid"),
    ):
        with pytest.raises(Problem) as refused:
            await fix(code, name)
        assert refused.value.code == refusal
    await curation.check()
    assert await curation.codes(dataset) == {"function_unknown": 1}
    await fix("function_unknown", "delete_call")
    await curation.check()
    assert await curation.codes(dataset, saved_only=True) == {}
    await fix("function_unknown", "leave_out")
    async with curation.database.transaction() as transaction:
        state = await transaction.connection.fetchval("SELECT state FROM examples WHERE id = $1", example)
    assert state == "removed"


async def test_a_large_dataset_keeps_no_other_waiting(curation: Curation) -> None:
    large, small = await curation.agent("large", TOOLS), await curation.agent("small", TOOLS)
    await curation.take(large, *(talk(number) for number in range(450)), save=False)
    await curation.take(small, SOUND, save=False)
    before = await due(curation, large)
    assert before == 450
    # a turn each: the small one is done while the large one is not
    checker = Checker(curation.database, curation.side)
    await checker.check_next()
    await checker.check_next()
    assert await due(curation, small) == 0
    assert 0 < await due(curation, large) < 450


async def test_a_weight_is_part_of_the_content(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    first, _ = await curation.take(dataset, SOUND, SOUND)
    await curation.edit(first, SetWeight("a1", 0))
    await curation.check()
    assert await curation.codes(dataset) == {"near_duplicate": 2}


async def test_messages_written_by_a_person_are_never_in_a_finding(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    secret = Message(id="u9", role="user", content="my card is 4111 <|endoftext|>")
    await curation.take(dataset, (*SOUND[:1], secret, *SOUND[1:]), save=False)
    await curation.check()
    async with curation.database.transaction() as transaction:
        stored = await transaction.connection.fetchval("SELECT string_agg(place::text, '') FROM findings")
    assert "special" not in stored
    assert "4111" not in stored
