"""An erased dialog leaves dataset-svc with all that held it; versions that did are withdrawn and rebuilt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.catalogue import Catalogue
from chassis.envelope import UNKNOWN, Received
from chassis.errors import Problem
from contracts.dialogs import DialogErased
from dataset_svc.outbound import version_store
from dataset_svc.usecases import erase_dialogs
from dataset_svc.usecases.erase_dialogs import FileEraser
from dataset_svc.usecases.rebuild_version import rebuild_version
from dataset_svc.usecases.take_in_dialogs import take_in_dialogs
from dataset_svc.usecases.write_version import Freezer
from deploy.stack.prepared import Prepared
from tests.damage import SOUND, TOOLS
from tests.harness import now
from tests.integration.curation import TENANT, Curation, curating
from tests.integration.test_dataset_intake import end_of
from tests.integration.test_dataset_versions import talks


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as made:
        yield made


async def fetch(curation: Curation, sql: str, *arguments: Any) -> list[Any]:
    async with curation.database.transaction() as transaction:
        return list(await transaction.connection.fetch(sql, *arguments))


async def dialog_of(curation: Curation, example: UUID) -> str:
    (row,) = await fetch(curation, "SELECT dialog_id FROM examples WHERE id = $1", example)
    return str(row["dialog_id"])


def erased(dialog: str) -> Received[DialogErased]:
    erasure_id = str(uuid4())
    event = DialogErased(
        dialog_id=dialog, agent_id="shop", requested_at=now(), reason="asked", erasure_id=erasure_id
    )
    return Received(event, TENANT, erasure_id, "/dialog-svc", now(), 1, "", 0, 0, UNKNOWN)


async def erase(curation: Curation, dialog: str) -> str:
    """Take `dialog.erased` in; returns the erasure's id."""
    received = erased(dialog)
    async with curation.database.transaction() as transaction:
        await take_in_dialogs([received], transaction, curation.objects)
    return received.id


async def told(curation: Curation, kind: str) -> list[dict[str, Any]]:
    """The events of a type that wait to be published, in order."""
    rows = await fetch(curation, "SELECT body FROM outbox WHERE headers ->> 'ce_type' = $1 ORDER BY id", kind)
    return [json.loads(row["body"]) for row in rows]


async def version(curation: Curation, dataset: UUID, number: int) -> dict[str, Any]:
    async with curation.database.transaction() as transaction:
        row = await version_store.get(transaction.connection, TENANT, dataset, number)
    assert row is not None
    return dict(row)


async def rebuild(curation: Curation, dataset: UUID, number: int, least: int = 1) -> dict[str, Any]:
    async with curation.database.transaction() as transaction:
        new = await rebuild_version(
            transaction, tenant=TENANT, by="olga", dataset_id=dataset, version=number,
            catalogue=Catalogue(None, least=least), base_model="m",
        )  # fmt: skip
    return await curation.written(dataset, new)


async def test_versions_that_held_the_dialog_are_withdrawn_and_made_again_without_it(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    one, *_ = await curation.take_dialogs(dataset, *talks(4))
    await curation.check()
    before = await curation.freeze(dataset, validation_share=0.0)
    without = await curation.freeze(dataset, validation_share=0.0, exclude=(one,))
    erasure = await erase(curation, await dialog_of(curation, one))
    gone = await version(curation, dataset, before["version"])
    assert gone["state"] == "withdrawn"
    assert (await version(curation, dataset, without["version"]))["state"] == "ready"
    (withdrawn,) = await told(curation, "dataset.withdrawn.v1")
    assert (withdrawn["version"], withdrawn["erasure_ids"]) == (before["version"], [erasure])
    (report,) = await told(curation, "dialog.forgotten.v1")
    assert report["state"] == "waiting"
    assert report["removed"] == {"candidates": 1, "examples": 1, "revisions": 1}

    files = FileEraser(curation.database, curation.objects)
    file = before["manifest"]["files"]["training"]
    assert curation.path(file).exists()
    assert await files.erase_next()
    assert not curation.path(file).exists()
    assert not await files.erase_next()
    report = (await told(curation, "dialog.forgotten.v1"))[-1]
    name = f"{dataset}:{before['version']}"
    assert report["state"] == "done"
    assert {(held["kind"], held["id"], held["state"]) for held in report["held"]} == {
        ("example", str(one), "deleted"), ("version", name, "deleted")
    }  # fmt: skip

    again = await rebuild(curation, dataset, before["version"])
    assert (again["state"], again["settings"]["rebuilt_from"]) == ("ready", before["version"])
    assert again["prompt_fingerprint"] == before["prompt_fingerprint"]
    left = curation.lines(again["manifest"]["files"]["training"])
    assert left == curation.lines(without["manifest"]["files"]["training"])


async def test_what_is_rebuilt_must_be_withdrawn_and_enough(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    one, *_ = await curation.take_dialogs(dataset, *talks(2))
    await curation.check()
    whole = await curation.freeze(dataset, validation_share=0.0)
    with pytest.raises(Problem) as refused:
        await rebuild(curation, dataset, whole["version"])
    assert refused.value.code == "version_whole"
    await erase(curation, await dialog_of(curation, one))
    with pytest.raises(Problem) as refused:
        await rebuild(curation, dataset, whole["version"], least=2)
    assert refused.value.code == "too_few_examples"
    assert [row["version"] for row in await fetch(curation, "SELECT version FROM dataset_versions")] == [1]


async def test_an_erasure_waits_for_a_version_that_is_just_finished(curation: Curation) -> None:
    """The writer has counted its examples and not committed: the erasure comes second and withdraws it."""
    dataset = await curation.agent(tools=TOOLS)
    one, *_ = await curation.take_dialogs(dataset, *talks(2))
    await curation.check()
    number = await curation.begin(dataset, validation_share=0.0)
    dialog = await dialog_of(curation, one)
    async with curation.database.transaction() as finishing:
        await finishing.connection.execute(
            "UPDATE dataset_versions SET state = 'ready', manifest = '{\"files\": {}}', epoch = 1 "
            "WHERE dataset_id = $1 AND version = $2",
            dataset,
            number,
        )
        erasing = asyncio.create_task(erase(curation, dialog))
        await curation.somebody_waits()
    await erasing
    assert (await version(curation, dataset, number))["state"] == "withdrawn"


async def test_a_version_that_is_being_frozen_is_written_without_it(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    one, *_ = await curation.take_dialogs(dataset, *talks(3))
    await curation.check()
    number = await curation.begin(dataset, validation_share=0.0)
    await erase(curation, await dialog_of(curation, one))
    row = await curation.written(dataset, number)
    assert (row["state"], row["manifest"]["examples"]) == ("ready", 2)
    assert await told(curation, "dataset.withdrawn.v1") == []


async def test_nothing_is_pinned_of_what_is_just_being_erased(curation: Curation) -> None:
    """Else a version would be frozen with it that the erasure, not committed yet, had no way to see."""
    dataset = await curation.agent(tools=TOOLS)
    one, *_ = await curation.take_dialogs(dataset, *talks(3))
    await curation.check()
    dialog = await dialog_of(curation, one)
    async with curation.database.transaction() as erasing:
        await take_in_dialogs([erased(dialog)], erasing, curation.objects)
        pinning = asyncio.create_task(curation.begin(dataset, validation_share=0.0))
        await curation.somebody_waits()
    row = await curation.written(dataset, await pinning)
    assert (row["state"], row["examples"], row["manifest"]["examples"]) == ("ready", 2, 2)


async def test_many_erasures_from_one_version_are_reported_some_at_a_time(
    curation: Curation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_dialogs, "TOLD", 2)
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take_dialogs(dataset, *talks(4))
    await curation.check()
    await curation.freeze(dataset, validation_share=0.0)
    dialogs = [await dialog_of(curation, one) for one in examples]
    erasures = {await erase(curation, one) for one in dialogs[:3]}
    files = FileEraser(curation.database, curation.objects)
    while await files.erase_next():
        pass
    done = {
        one["erasure_id"] for one in await told(curation, "dialog.forgotten.v1") if one["state"] == "done"
    }
    assert done == erasures
    sizes = await fetch(
        curation, "SELECT count(*) FROM outbox WHERE convert_from(body, 'UTF8')::jsonb ->> 'state' = 'done' "
        "AND headers ->> 'ce_type' = 'dialog.forgotten.v1' GROUP BY xmin::text ORDER BY 1",
    )  # fmt: skip
    assert [row["count"] for row in sizes] == [1, 2]
    # of one more the files are gone already: that is said at once, and once
    await erase(curation, dialogs[3])
    before = len(await told(curation, "dialog.forgotten.v1"))
    assert not await files.erase_next()
    assert len(await told(curation, "dialog.forgotten.v1")) == before


async def test_copies_and_what_is_left_of_removed_examples_go_as_well(curation: Curation) -> None:
    shop, other = await curation.agent(tools=TOOLS), await curation.agent("other", TOOLS)
    (one,) = await curation.take_dialogs(shop, SOUND)
    dialog = await dialog_of(curation, one)
    (copy,) = await curation.copy(other, one)
    await curation.check()
    held = await curation.freeze(other, validation_share=0.0)
    # removed and expired: only the revision that the version holds is left of it
    await fetch(curation, "DELETE FROM examples WHERE id = $1", copy)
    await erase(curation, dialog)
    assert (await version(curation, other, held["version"]))["state"] == "withdrawn"
    assert await fetch(curation, "SELECT FROM example_revisions") == []
    assert await fetch(curation, "SELECT FROM examples") == []


async def test_what_comes_after_an_erasure_is_dropped_and_reported(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    (one,) = await curation.take_dialogs(dataset, SOUND)
    dialog = await dialog_of(curation, one)
    erasure = await erase(curation, dialog)
    received = Received(end_of(dialog), TENANT, "again", "/dialog-svc", now(), 1, "", 0, 0, UNKNOWN)
    async with curation.database.transaction() as transaction:
        await take_in_dialogs([received], transaction, curation.objects)
    assert await fetch(curation, "SELECT FROM candidates") == []
    report = (await told(curation, "dialog.forgotten.v1"))[-1]
    assert report["erasure_id"] == erasure
    assert report["heard_at"] is not None


async def test_a_freeze_that_crashed_leaves_nothing_behind_either(curation: Curation) -> None:
    """Files of earlier attempts at a version are deleted with the last one's."""
    dataset = await curation.agent(tools=TOOLS)
    one, *_ = await curation.take_dialogs(dataset, *talks(2))
    await curation.check()
    number = await curation.begin(dataset, validation_share=0.0)
    await fetch(curation, "UPDATE dataset_versions SET epoch = 1")
    stale = f"tenants/{TENANT}/datasets/{dataset}/v{number}-1.jsonl"
    await curation.objects.put(stale, b"half a file")
    await Freezer(curation.database, curation.objects, lease=60).freeze_next()
    await curation.objects.put(stale, b"written late, by the one that was thought dead")
    await erase(curation, await dialog_of(curation, one))
    await FileEraser(curation.database, curation.objects).erase_next()
    assert not (curation.folder / stale).exists()
