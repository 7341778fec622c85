"""What keeps dataset-svc right when two do something at once, and what any sequence of edits must leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.database import Database
from chassis.objects import ObjectStore
from dataset_svc.domain.dialog import Candidate
from dataset_svc.inbound.lines import read_line
from dataset_svc.outbound import agent_store, candidate_store, example_store, operation_store
from dataset_svc.usecases.import_examples import Importer, Options, begin_import
from dataset_svc.usecases.run_operations import OperationRunner
from dataset_svc.usecases.save_example import remove_example, save_example
from dataset_svc.usecases.undo_operation import remember, undo_operation
from deploy.stack.services import Surroundings
from tests.harness import service, until
from tests.integration.test_dataset_files import GOOD, lines
from tests.integration.test_dataset_intake import erased
from tests.integration.test_dataset_svc import agent, completed, dataset_of, send, take

SEED = 20261124


@asynccontextmanager
async def database_of(surroundings: Surroundings) -> AsyncIterator[Database]:
    url = surroundings.databases.url(surroundings.database, "dataset_svc")
    database = Database(url, url, "dataset_svc", source="/test")
    await database.open(http=False)
    try:
        yield database
    finally:
        await database.close()


async def waits_for_a_lock(surroundings: Surroundings, task: asyncio.Task[Any]) -> bool:
    """Whether somebody waits for a lock; `task`, which should, has not ended."""
    assert not task.done(), f"did not wait: {task.result()}"
    async with surroundings.databases.connection(surroundings.database) as admin:
        return bool(await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_a_cap_and_the_batch_with_its_dialog_do_not_miss_each_other(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent())
    async with (
        service(surroundings, "dataset-svc", tmp_path) as running,
        database_of(surroundings) as database,
    ):
        api = await running.client()
        url = f"/v1/datasets/{await dataset_of(api)}/examples"
        async with database.transaction() as batch:
            await candidate_store.share_dialogs(batch.connection, [("acme", "d")])
            asked = asyncio.create_task(api.post(url, json={"dialog_id": "d", "revision": 1}))
            await until(lambda: waits_for_a_lock(surroundings, asked))
            messages = b'[{"id": "m0", "role": "assistant", "content": "hello"}]'
            came = Candidate("d", 1, "", "shop", "live", None, 1, datetime.now(UTC), messages)
            await candidate_store.put_candidates(batch.connection, [("acme", came)])
            assert await candidate_store.take_pending(batch.connection, [("acme", came)]) == []
        assert (await asked).status_code == 201


@pytest.mark.parametrize(("ends_as", "found"), [("removed", "existing"), ("gone", "created")])
async def test_a_cap_waits_for_what_becomes_of_its_example(
    surroundings: Surroundings, tmp_path: Path, ends_as: str, found: str
) -> None:
    await send(surroundings, agent(), completed("d"))
    async with (
        service(surroundings, "dataset-svc", tmp_path) as running,
        database_of(surroundings) as database,
    ):
        api = await running.client()
        dataset = await dataset_of(api)
        example = await take(api, dataset, "d")
        wanted = {"dialog_id": "d", "revision": 1}
        async with database.transaction() as other:
            row = await example_store.lock(other.connection, "acme", UUID(example))
            assert row is not None
            if ends_as == "removed":
                await remove_example(other, tenant="acme", by="me", row=row)
            else:
                await example_store.delete(other.connection, "acme", row["id"])
            asked = asyncio.create_task(api.post(f"/v1/datasets/{dataset}/examples", json=wanted))
            await until(lambda: waits_for_a_lock(surroundings, asked))
        opened = (await asked).json()
        assert opened["existing"] is (found == "existing")
        assert (await api.get(f"/v1/examples/{opened['id']}")).json()["state"] == "draft"


async def test_a_stretch_that_two_processes_read_is_imported_once(surroundings: Surroundings) -> None:
    objects = ObjectStore(surroundings.objects.as_uri())
    async with database_of(surroundings) as database:
        stored = await objects.put("tenants/acme/imports/file.jsonl", lines(*[GOOD] * 600))
        async with database.transaction() as transaction:
            dataset = await agent_store.ensure_dataset(transaction.connection, "acme", "shop")
            await begin_import(
                transaction, tenant="acme", by="me", dataset_id=dataset,
                options=Options("openai", "best_effort", None), stored=stored,
            )  # fmt: skip
        async with database.transaction() as transaction:
            claimed = await operation_store.claim(transaction.connection, 0)
        assert claimed is not None
        importers = [Importer(database, objects, read_line) for _ in range(2)]
        await asyncio.gather(*(one.take_turn(claimed) for one in importers))
        async with database.transaction() as transaction:
            operation = await operation_store.get(transaction.connection, "acme", claimed["id"])
            made = await transaction.connection.fetchval("SELECT count(*) FROM examples")
    assert operation is not None
    assert (operation["state"], operation["done"], made) == ("running", 500, 500)


@pytest.mark.parametrize(("mode", "state"), [("best_effort", "refused"), ("all_or_nothing", "undoing")])
async def test_an_import_that_is_given_up_leaves_no_file(
    surroundings: Surroundings, mode: str, state: str
) -> None:
    """Its lines may be of dialogs that are erased some day."""

    def broken(line: bytes, form: str) -> Any:
        raise ValueError("nobody expected this line")

    objects = ObjectStore(surroundings.objects.as_uri())
    async with database_of(surroundings) as database:
        stored = await objects.put("tenants/acme/imports/file.jsonl", lines(GOOD))
        async with database.transaction() as transaction:
            dataset = await agent_store.ensure_dataset(transaction.connection, "acme", "shop")
            operation_id = await begin_import(
                transaction, tenant="acme", by="me", dataset_id=dataset,
                options=Options("openai", mode, None), stored=stored,
            )  # fmt: skip
        with pytest.raises(ValueError, match="nobody expected"):
            await OperationRunner(database, Importer(database, objects, broken)).run_next()
        async with database.transaction() as transaction:
            operation = await operation_store.get(transaction.connection, "acme", operation_id)
    assert operation is not None
    assert operation["state"] == state
    assert not (surroundings.objects / stored.uri).exists()


async def test_an_undo_that_meets_an_erasure_brings_no_text_back(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent(), completed("d"), completed("e"))
    slots = [("acme", "d")]
    async with (
        service(surroundings, "dataset-svc", tmp_path) as running,
        database_of(surroundings) as database,
    ):
        api = await running.client()
        dataset = await dataset_of(api)
        ids = [await take(api, dataset, one) for one in ("d", "e")]
        wanted = {"ids": ids, "action": "set_weights", "weight": 0}
        weighed = (await api.post(f"/v1/datasets/{dataset}/examples/bulk", json=wanted)).json()

        async def undo() -> None:
            async with database.transaction() as transaction:
                await undo_operation(transaction, tenant="acme", by="me", operation_id=UUID(weighed["id"]))

        async with database.transaction() as erasure:
            gone = await example_store.delete_of_dialogs(erasure.connection, slots)
            undoing = asyncio.create_task(undo())
            await until(lambda: waits_for_a_lock(surroundings, undoing))
            await operation_store.forget_examples(erasure.connection, [("acme", row["id"]) for row in gone])
        await undoing
        undone = (await api.get(f"/v1/operations/{weighed['id']}")).json()
        assert (undone["state"], undone["undone"], undone["kept"]) == ("undone", 1, 1)
        async with surroundings.databases.connection(surroundings.database) as admin:
            (left,) = await admin.fetch("SELECT * FROM dataset_svc.operation_items")
    assert (str(left["example_id"]), left["state"], left["before"]) == (ids[1], "undone", "{}")


async def test_checking_a_file_waits_for_no_dialog_but_storing_does(surroundings: Surroundings) -> None:
    objects = ObjectStore(surroundings.objects.as_uri())
    body = lines({**GOOD, "dialog_id": "d"})
    async with database_of(surroundings) as database:
        stored = await objects.put("tenants/acme/imports/file.jsonl", body)
        async with database.transaction() as transaction:
            dataset = await agent_store.ensure_dataset(transaction.connection, "acme", "shop")
            operation_id = await begin_import(
                transaction, tenant="acme", by="me", dataset_id=dataset,
                options=Options("json", "all_or_nothing", None), stored=stored,
            )  # fmt: skip
        importer = Importer(database, objects, read_line)

        async def operation() -> Any:
            async with database.transaction() as transaction:
                return await operation_store.get(transaction.connection, "acme", operation_id)

        async with database.transaction() as batch:
            await candidate_store.share_dialogs(batch.connection, [("acme", "d")])
            await asyncio.wait_for(importer.take_turn(await operation()), 60)
            checked = await operation()
            assert (checked["state"], checked["position"]["checked"]) == ("running", True)
            storing = asyncio.create_task(importer.take_turn(checked))
            await until(lambda: waits_for_a_lock(surroundings, storing))
        await storing
        assert (await operation())["state"] == "done"


def any_operation(chance: random.Random, ids: list[str]) -> dict[str, Any]:
    """Some operation, often one that cannot be done."""
    target = {"message_id": chance.choice([*ids, "nowhere"])}
    arguments = chance.choice(["{}", "[", '{"order": 1}'])
    words = chance.choice(["", "Через 3 дня", "ok 😀", "<|x|>", "a\nb"])
    inserted: dict[str, Any] = {"role": chance.choice(["user", "assistant", "system"]), "content": words}
    return chance.choice([
        {"op": "edit", "content": words} | target,
        {"op": "edit", "content": None} | target,
        {"op": "edit", "content": words, "hint": [{"start": 0, "end": 2}]} | target,
        {"op": "hint", "hint": []} | target,
        {"op": "restore"} | target,
        {"op": "edit_call", "call_id": "c1", "arguments": arguments} | target,
        {"op": "delete", "with_answers": chance.random() < 0.5} | target,
        {"op": "insert", "after": chance.choice([*ids, None]), "message": inserted},
        {"op": "weight", "weight": chance.choice([0, 1, None])} | target,
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
async def test_any_edits_are_done_or_refused_by_code_and_every_revision_comes_back(
    surroundings: Surroundings, tmp_path: Path, seed: int
) -> None:
    chance, kept = random.Random(seed), dict[int, Any]()
    await send(surroundings, agent(), completed("d"))
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        api = await running.client()
        url = f"/v1/examples/{await take(api, await dataset_of(api), 'd')}"
        shown = await api.get(url)
        kept[0] = shown.json()["messages"]
        for _ in range(60):
            ids = [one["id"] for one in shown.json()["messages"]]
            wanted = [any_operation(chance, ids) for _ in range(chance.randint(1, 2))]
            edited = await api.patch(
                url, json={"operations": wanted}, headers={"If-Match": shown.headers["ETag"]}
            )
            if edited.status_code == 200:
                shown = edited
            else:
                assert (edited.status_code, bool(edited.json()["code"])) == (422, True), edited.text
                assert edited.json()["field"].startswith("operations.")
                assert (await api.get(url)).json()["messages"] == shown.json()["messages"]
            saved = await api.post(f"{url}/save")
            assert saved.status_code in {200, 422}, saved.text
            if saved.status_code == 200:
                kept[saved.json()["saved_revision"]] = saved.json()["messages"]
            elif chance.random() < 0.3:  # too far from anything that could be saved
                shown = await api.post(f"{url}/revert", json={"revision": chance.choice(sorted(kept))})
        for revision in chance.sample(sorted(kept), len(kept)):
            back = await api.post(f"{url}/revert", json={"revision": revision})
            assert back.json()["messages"] == kept[revision]
    assert len(kept) > 1


async def test_an_erasure_also_takes_what_was_saved_while_it_waited(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent(), completed("d"))
    async with (
        service(surroundings, "dataset-svc", tmp_path) as running,
        database_of(surroundings) as database,
    ):
        api = await running.client()
        example = UUID(await take(api, await dataset_of(api), "d"))
        async with database.transaction() as saving:
            row = await example_store.lock(saving.connection, "acme", example)
            assert row is not None
            await send(surroundings, erased("d"))

            async def waits() -> Any:
                async with surroundings.databases.connection(surroundings.database) as admin:
                    return await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")

            await until(waits)
            change = await save_example(saving, tenant="acme", by="me", row=row)
            await remember(saving, "acme", "me", "save", row, change)

        async def gone() -> bool:
            return (await api.get(f"/v1/examples/{example}")).status_code == 404

        await until(gone)
        async with surroundings.databases.connection(surroundings.database) as admin:
            for table in ("example_revisions", "operation_items", "examples"):
                assert await admin.fetchval(f"SELECT count(*) FROM dataset_svc.{table}") == 0, table
