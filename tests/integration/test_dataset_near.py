"""Near duplicates in a real database: groups, findings, the fix, the split, erasure, concurrent edits."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dataset_svc.domain import near
from dataset_svc.domain.dialog import Dialog
from dataset_svc.domain.edits import EditText
from dataset_svc.domain.filter import Filter
from dataset_svc.domain.message import Message, Messages
from dataset_svc.outbound import listing_store, near_store
from dataset_svc.usecases.change_examples import begin_change
from dataset_svc.usecases.check_examples import Checker, catch_up
from dataset_svc.usecases.erase_dialogs import erase_dialogs
from dataset_svc.usecases.fix_example import fix_example
from dataset_svc.usecases.freeze_version import FreezeSettings, preview_split
from dataset_svc.usecases.group_examples import Grouper
from dataset_svc.usecases.undo_operation import undo_operation
from deploy.stack.prepared import Prepared
from tests.integration.curation import TENANT, Curation, curating


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as made:
        yield made


def talk(seed: int, changed: int = 0, words: int = 120) -> Messages:
    """A dialog of its own by `seed`; the last `changed` words are others."""
    chance = random.Random(seed)
    base = [f"w{chance.randrange(10**6)}" for _ in range(words)]
    base[words - changed :] = [f"{seed}x{place}" for place in range(words - changed, words)]
    return (
        Message(id="u1", role="user", content=" ".join(base)),
        Message(id="a1", role="assistant", content="Yes, with pleasure."),
    )


async def groups(curation: Curation) -> dict[UUID, UUID | None]:
    async with curation.database.transaction() as transaction:
        rows = await transaction.connection.fetch("SELECT example_id, group_id FROM example_signatures")
    return {row["example_id"]: row["group_id"] for row in rows}


async def caught_up(curation: Curation, dataset: UUID) -> int:
    async with curation.database.tenant_transaction(TENANT) as transaction:
        return await catch_up(transaction, tenant=TENANT, dataset_id=dataset)


async def near_of(curation: Curation, dataset: UUID) -> dict[UUID, dict[str, Any]]:
    found = await curation.found(dataset)
    return {
        example: one
        for example, findings in found.items()
        for one in findings
        if one["code"] == "near_duplicate"
    }


async def test_groups_come_and_go_and_keep_their_id_as_examples_change(curation: Curation) -> None:
    dataset = await curation.agent()
    one, other, third, alone = await curation.take(dataset, talk(1), talk(1, 3), talk(1, 6), talk(2))
    assert await caught_up(curation, dataset) == 0
    first = await groups(curation)
    assert len({first[one], first[other], first[third]}) == 1
    assert (first[one] is not None, first[alone]) == (True, None)
    told = await near_of(curation, dataset)
    assert set(told) == {one, other, third}
    assert told[one]["place"]["facts"] == {"group": str(first[one]), "size": 3, "others": 2}
    assert told[one]["with"] == [str(other), str(third)]
    await curation.agent(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}], version=2)
    await caught_up(curation, dataset)  # all are checked again, none says anything else
    assert (await groups(curation), set(await near_of(curation, dataset))) == (first, {one, other, third})
    await curation.edit(one, EditText("u1", "something else altogether this time"))
    await caught_up(curation, dataset)
    now = await groups(curation)
    assert (now[one], now[other], now[third]) == (None, first[one], first[one])
    assert (await near_of(curation, dataset))[other]["place"]["facts"]["size"] == 2
    await curation.remove(third)
    await caught_up(curation, dataset)
    assert await near_of(curation, dataset) == {}
    (back,) = await curation.take(dataset, talk(1, 4))
    await caught_up(curation, dataset)
    assert (await groups(curation))[back] == first[one]
    async with curation.database.tenant_transaction(TENANT) as transaction:
        counted = await near_store.group_counts(transaction.connection, TENANT, dataset)
        wanted = Filter(group=first[one])
        listed = await listing_store.list_examples(transaction.connection, TENANT, dataset, wanted, None, 9)
    assert dict(counted) == {"near_duplicate_groups": 1, "near_duplicates": 2}
    assert [row["id"] for row in listed] == [back, other]


async def test_the_same_words_are_told_once_as_a_duplicate(curation: Curation) -> None:
    dataset = await curation.agent()
    same, twin, close = await curation.take(dataset, talk(1), talk(1), talk(1, 3))
    far, twins = await curation.take(dataset, talk(5), talk(5))
    await curation.check()
    found = await curation.found(dataset)
    codes = {example: [one["code"] for one in findings] for example, findings in found.items()}
    assert codes == {
        same: ["duplicate", "near_duplicate"], twin: ["duplicate", "near_duplicate"],
        close: ["near_duplicate"], far: ["duplicate"], twins: ["duplicate"],
    }  # fmt: skip
    assert [one["with"] for one in found[same]] == [[str(twin)], [str(close)]]


async def test_keeping_one_takes_out_those_near_to_it_and_undo_brings_them_back(curation: Curation) -> None:
    dataset = await curation.agent()
    # the ends of a chain are connected through the middle and not near to each other
    start, middle, end = await curation.take(dataset, talk(1), talk(1, 11), talk(1, 22))
    await caught_up(curation, dataset)
    before = await groups(curation)
    assert len(set(before.values())) == 1
    async with curation.database.tenant_transaction(TENANT) as transaction:
        operation = await fix_example(
            transaction, tenant=TENANT, by="olga", example_id=start, seen=None, code="near_duplicate",
            message_id=None, fix="keep_this", value=None, save=False, language="en",
        )  # fmt: skip
    await caught_up(curation, dataset)
    assert await curation.codes(dataset) == {}
    assert set(await groups(curation)) == {start, end}
    assert operation is not None
    async with curation.database.tenant_transaction(TENANT) as transaction:
        await undo_operation(transaction, tenant=TENANT, by="olga", operation_id=operation)
    await caught_up(curation, dataset)
    assert set(await near_of(curation, dataset)) == {start, middle, end}
    async with curation.database.tenant_transaction(TENANT) as transaction:
        await begin_change(
            transaction, tenant=TENANT, by="olga", dataset_id=dataset, action="remove", arguments={},
            ids=None, wanted=Filter(group=(await groups(curation))[start]),
        )  # fmt: skip
    assert await caught_up(curation, dataset) == 0
    assert await groups(curation) == {}


async def test_a_frozen_version_has_no_pair_on_both_sides_and_groups_stay_on_theirs(
    curation: Curation,
) -> None:
    dataset = await curation.agent()
    await curation.take_dialogs(dataset, *(talk(seed) for seed in range(60)))
    await curation.check()
    alone = await curation.freeze(dataset, validation_share=0.3)
    copies = await curation.take_dialogs(dataset, *(talk(seed, 2 + seed % 5) for seed in range(60)))
    await curation.check()
    async with curation.database.transaction() as transaction:
        split = await preview_split(
            transaction.connection, TENANT, dataset, FreezeSettings(validation_share=0.3)
        )
        leaked = await transaction.connection.fetchval(
            "SELECT count(*) FROM example_checks c JOIN example_signatures s USING (tenant_id, example_id) "
            "WHERE (c.split_hash < $1) <> (s.group_split_hash < $1)",
            int(0.3 * 2**64).to_bytes(8, "big"),
        )
    assert leaked > 10  # by its dialog alone a copy would stand on either side
    assert (split.near_duplicates, split.moved, split.twins) == (120, leaked, 0)
    version = await curation.freeze(dataset, validation_share=0.3)
    assert (version["settings"]["near_duplicates"], version["settings"]["moved"]) == (120, leaked)
    files, before = version["manifest"]["files"], alone["manifest"]["files"]
    sides = {
        name: {line["messages"][1]["content"] for line in curation.lines(files[name])}
        for name in ("training", "validation")
    }
    firsts = {name: {text.split()[0] for text in texts} for name, texts in sides.items()}
    assert firsts["training"] & firsts["validation"] == set()
    assert len(sides["validation"]) == 2 * len(firsts["validation"]) > 10
    validated = {line["messages"][1]["content"] for line in curation.lines(before["validation"])}
    assert validated < sides["validation"]  # what was validated before still is
    assert len(copies) == 60


async def test_branches_of_a_dialog_in_two_groups_draw_both_to_training(curation: Curation) -> None:
    dataset = await curation.agent()
    examples = await curation.take(dataset, talk(1), talk(1, 3), talk(2), talk(2, 3), talk(3))
    await curation.check()
    async with curation.database.transaction() as transaction:
        # a dialog with two branches: one near to what is in another dialog, one to what is in a third
        await transaction.connection.execute(
            "UPDATE example_checks SET dialog_key = 'd', split_hash = $2 WHERE example_id = ANY($1)",
            [examples[1], examples[2]],
            bytes(8),
        )
        await transaction.connection.execute("UPDATE example_signatures SET group_split_hash = $1 "
                                             "WHERE group_id IS NOT NULL", bytes(8))  # fmt: skip
        split = await preview_split(
            transaction.connection, TENANT, dataset, FreezeSettings(validation_share=0.5)
        )
    assert split.training >= 4
    assert split.near_duplicates == 4


async def test_an_edit_during_grouping_is_grouped_by_the_next_turn(
    curation: Curation, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = await curation.agent()
    _, bridge, _ = await curation.take(dataset, talk(1), talk(1, 11), talk(1, 22))
    checker, grouper = Checker(curation.database, curation.side), Grouper(curation.database, curation.side)
    assert await checker.check_next()
    put = near_store.put_groups

    async def changed_first(*args: Any) -> None:
        monkeypatch.setattr(near_store, "put_groups", put)
        async with curation.database.transaction() as transaction:
            await transaction.connection.execute(
                "UPDATE example_signatures SET changed_at = clock_timestamp() WHERE example_id = $1", bridge
            )
        await put(*args)

    monkeypatch.setattr(near_store, "put_groups", changed_first)
    await grouper.group_next()
    assert set((await groups(curation)).values()) == {None}
    async with curation.database.transaction() as transaction:
        assert await near_store.count_due(transaction.connection, TENANT, dataset) == 3
    await grouper.group_next()
    assert len(set((await groups(curation)).values())) == 1


async def test_erasure_takes_signatures_along_and_breaks_the_group_they_held_together(
    curation: Curation,
) -> None:
    dataset = await curation.agent()
    ends = await curation.take(dataset, talk(1), talk(1, 22))
    (bridge,) = await curation.take_dialogs(dataset, talk(1, 11))
    await curation.check()
    assert len(set((await groups(curation)).values())) == 1
    async with curation.database.transaction() as transaction:
        dialog = await transaction.connection.fetchval("SELECT dialog_id FROM examples WHERE id = $1", bridge)
        gone = Dialog(TENANT, dialog)
        gone.erased_at = datetime.now(UTC)
        await erase_dialogs(transaction, [gone])
    assert set(await groups(curation)) == set(ends)
    await caught_up(curation, dataset)
    assert await curation.codes(dataset) == {}
    assert len(set((await groups(curation)).values())) == 2


async def test_a_signature_of_another_algorithm_is_made_anew(curation: Curation) -> None:
    dataset = await curation.agent()
    await curation.take(dataset, talk(1), talk(1, 3))
    await curation.check()
    before = await groups(curation)
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute(
            "UPDATE example_signatures SET algorithm = '0-1', signature = 'x'"
        )
    grouper = Grouper(curation.database, curation.side)
    assert not await grouper.group_next()
    assert await curation.check() == 1
    async with curation.database.transaction() as transaction:
        made = await transaction.connection.fetchval(
            "SELECT array_agg(DISTINCT algorithm) FROM example_signatures"
        )
    assert made == [near.ALGORITHM]
    assert await groups(curation) == before


async def test_findings_about_groups_hold_no_text(curation: Curation) -> None:
    dataset = await curation.agent()
    await curation.take(dataset, talk(1), talk(1, 3))
    await curation.check()
    async with curation.database.transaction() as transaction:
        places = await transaction.connection.fetchval("SELECT string_agg(place::text, '') FROM findings")
    assert talk(1)[0].text().split()[0] not in places
