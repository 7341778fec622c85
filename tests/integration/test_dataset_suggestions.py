"""dataset-svc suggests dialogs: with which reasons, in which order, and what one decides on them."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.objects import ObjectStore
from contracts.chat import HintSpan
from contracts.dialogs import DialogCompleted, InlineTranscript, StoredTranscript, TranscriptMessage
from dataset_svc.domain.dialog import Candidate
from dataset_svc.outbound import candidate_store
from dataset_svc.usecases import suggest_dialogs
from dataset_svc.usecases.suggest_dialogs import Suggester
from deploy.stack.prepared import Prepared
from deploy.stack.services import Surroundings
from tests.harness import service, until
from tests.integration.curation import TENANT, curating
from tests.integration.test_dataset_intake import erased, rated
from tests.integration.test_dataset_protections import database_of, waits_for_a_lock
from tests.integration.test_dataset_svc import agent, completed, dataset_of, message, send, take

FUTURE = "2999-01-01T00:00:00Z"


def dialog(name: str, *said: TranscriptMessage, revision: int = 1, source: Any = "live") -> DialogCompleted:
    found = completed(name, revision, InlineTranscript(messages=said), len(said))
    return found.model_copy(update={"source": source})


def asked(name: str = "asked") -> DialogCompleted:
    return dialog(
        name, message(0, "user", "Соедините с оператором"), message(1, "assistant", "Что случилось?")
    )


def failed(name: str = "failed", revision: int = 1) -> DialogCompleted:
    tool = message(1, "tool", '{"error": "no stock"}', tool_call_id="c1")
    return dialog(
        name, message(0, "user", "Есть розы?"), tool, message(2, "assistant", "Нет"), revision=revision
    )


def taken_over(name: str = "taken") -> DialogCompleted:
    model, operator = (
        message(n, "assistant", author=author) for n, author in ((1, "model"), (2, "operator"))
    )
    return dialog(name, message(0, "user", "Где заказ?"), model, operator)


def hinted(name: str = "tried") -> DialogCompleted:
    edited = message(0, "user", "Цена? (скажи 5)", hint=(HintSpan(start=6, end=15),))
    return dialog(name, edited, message(1, "assistant", "5"), source="test")


class Queue:
    """The suggestions of a dataset, as one reads and decides them."""

    def __init__(self, api: httpx.AsyncClient, dataset: str) -> None:
        self.api = api
        self.url = f"/v1/datasets/{dataset}/suggestions"

    async def page(self, **query: Any) -> dict[str, Any]:
        answer = await self.api.get(self.url, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def shown(self, **query: Any) -> dict[str, list[str]]:
        """Dialog → names of its reasons, in the order of the list."""
        found = await self.page(**query)
        return {one["dialog_id"]: [why["reason"] for why in one["reasons"]] for one in found["items"]}

    async def until_shown(self, *dialogs: str, **query: Any) -> dict[str, list[str]]:
        async def there() -> Any:
            found = await self.shown(**query)
            return (found,) if set(found) == set(dialogs) else None

        (found,) = await until(there)
        return dict(found)

    async def decide(self, dialog_id: str, what: str, **more: Any) -> httpx.Response:
        return await self.api.post(f"{self.url}/{dialog_id}/{what}", **more)


async def test_dialogs_are_suggested_with_reasons_and_decided_on(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(
        surroundings, agent(), asked(), failed(), taken_over(), hinted(), completed("fine"),
        completed("bad"), rated("bad", "bad"), rated("fine", "good"),
    )  # fmt: skip
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        queue = Queue(await running.client(), await dataset_of(await running.client()))
        everything = await queue.until_shown("bad", "taken", "tried", "asked", "failed")
        assert next(iter(everything)) == "bad"
        assert list(everything)[3:] == ["asked", "failed"]
        assert everything == {
            "bad": ["rated_bad"], "taken": ["operator_took_over"], "tried": ["edited_in_test_chat"],
            "asked": ["asked_for_human"], "failed": ["function_failed"],
        }  # fmt: skip
        await _pages(queue)
        await _decisions(queue)
        await _what_comes_later(surroundings, queue)
        stranger = await running.client("globex")
        assert (await stranger.get(queue.url)).status_code == 404
        assert (await stranger.post(f"{queue.url}/asked/skip")).status_code == 404


async def _pages(queue: Queue) -> None:
    first = await queue.page(limit=2)
    assert first["total"] == 5
    assert set(first["reasons"].values()) == {0, 1}
    rest = await queue.page(limit=3, cursor=first["next_cursor"])
    assert rest["next_cursor"] is None
    assert len({one["dialog_id"] for one in first["items"] + rest["items"]}) == 5
    (one,) = (await queue.page(reason="function_failed"))["items"]
    assert one["reasons"] == [{"reason": "function_failed", "message_ids": ["m1"]}]
    assert (one["revision"], one["message_count"], one["source"]) == (1, 3, "live")
    wrong = await queue.api.get(queue.url, params={"cursor": "e30="})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_cursor")


async def _decisions(queue: Queue) -> None:
    made, again = [await queue.decide("asked", "accept") for _ in range(2)]
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["id"] == again.json()["id"]
    assert (await queue.api.get(f"/v1/examples/{made.json()['id']}")).json()["dialog_id"] == "asked"
    refused = await queue.decide("asked", "skip")
    assert (refused.status_code, refused.json()["example_id"]) == (409, made.json()["id"])
    await take(queue.api, queue.url.split("/")[3], "taken")  # under the cap elsewhere: nobody need be told
    assert set(await queue.shown(state="accepted")) == {"asked", "taken"}

    assert (await queue.decide("failed", "skip")).status_code == 204
    assert (await queue.decide("tried", "snooze", json={"until": FUTURE})).status_code == 204
    assert set(await queue.shown()) == {"bad"}
    assert set(await queue.shown(state="skipped")) == {"failed"}
    (put_off,) = (await queue.page(state="snoozed"))["items"]
    assert (put_off["dialog_id"], put_off["decided_by"]) == ("tried", "dev-owner")
    past = await queue.decide("tried", "snooze", json={"until": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["code"]) == (422, "snooze_in_the_past")
    assert (await queue.decide("tried", "reopen")).status_code == 204
    assert set(await queue.shown()) == {"bad", "tried"}
    assert (await queue.decide("fine", "skip")).status_code == 404
    audit = (await queue.api.get("/v1/audit")).json()["items"]
    noted = {one["action"] for one in audit if one["action"].startswith("suggestion.")}
    assert noted == {f"suggestion.{what}" for what in ("accepted", "skipped", "snoozed", "reopened")}


async def _what_comes_later(surroundings: Surroundings, queue: Queue) -> None:
    # a newer revision with the same reason stays skipped, another reason opens it again
    await send(surroundings, failed(revision=2), rated("bad", "good", by="owner"), asked("last"))
    assert set(await queue.until_shown("tried", "last")) == {"tried", "last"}
    (skipped,) = (await queue.page(state="skipped"))["items"]
    assert skipped["revision"] == 2
    await send(surroundings, rated("failed", "bad"))
    assert (await queue.until_shown("tried", "last", "failed"))["failed"] == ["rated_bad", "function_failed"]
    await send(surroundings, erased("failed"), erased("asked"))
    await queue.until_shown("tried", "last")
    await queue.until_shown("taken", state="accepted")


async def test_who_looks_at_a_dialog_waits_for_who_opens_an_example_of_it(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent(), asked("d"))
    parts = {"parts": "http,consumers"}
    async with (
        service(surroundings, "dataset-svc", tmp_path, **parts) as running,
        database_of(surroundings) as database,
    ):
        api = await running.client()
        queue = Queue(api, await dataset_of(api))
        suggester = Suggester(database, ObjectStore(surroundings.objects.as_uri()))

        async def due() -> bool:
            async with surroundings.databases.connection(surroundings.database) as admin:
                return bool(await admin.fetchval("SELECT count(*) FROM dataset_svc.suggestion_queue"))

        await until(due)
        async with database.transaction() as held:
            await candidate_store.lock_dialog(held.connection, "acme", "d")
            looking = asyncio.create_task(suggester.suggest_next())
            await until(lambda: waits_for_a_lock(surroundings, looking))
        await looking
        assert set(await queue.shown()) == {"d"}
        assert await due() is False
        assert await suggester.suggest_next() is False


async def test_a_transcript_that_cannot_be_read_holds_up_no_other_dialog(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent(), asked("read"))
    gone, strange, locked = (f"tenants/acme/{name}.json" for name in ("gone", "strange", "locked"))
    (surroundings.objects / locked).parent.mkdir(parents=True)
    (surroundings.objects / locked).symlink_to(surroundings.objects / locked)  # neither there nor missing
    (surroundings.objects / strange).write_text("{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    for name, uri in (("gone", gone), ("strange", strange), ("locked", locked)):
        stored = StoredTranscript(uri=uri, sha256=digest, bytes=2)
        await send(surroundings, completed(name, 1, stored), rated(name, "bad"))
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        queue = Queue(await running.client(), await dataset_of(await running.client()))
        found = await queue.until_shown("read", "gone", "strange")
        assert found["gone"] == found["strange"] == ["rated_bad"]
        (surroundings.objects / locked).unlink()
        assert (await queue.until_shown("read", "gone", "strange", "locked"))["locked"] == ["rated_bad"]


class Slow(ObjectStore):
    """Never answers."""

    async def read(self, uri: str, tenant: str, sha256: str) -> bytes:
        await asyncio.Event().wait()
        return b""


async def test_a_slow_object_storage_makes_dialogs_wait_again_and_keeps_no_lock_for_long(
    servers: Prepared, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggest_dialogs, "READ", 0.05)
    async with curating(servers, database, tmp_path) as curation:
        await curation.agent()
        failed = b'[{"id": "t", "role": "tool", "tool_call_id": "c", "content": "error"}]'
        put = (  # the first hangs, the others are read
            Candidate(name, 1, "", "shop", "live", None, 1, datetime.now(UTC), text, uri, uri and "0")
            for name, text, uri in (
                ("a", None, "tenants/acme/a.json"), ("b", failed, None), ("c", failed, None),
            )
        )  # fmt: skip
        for one in put:
            async with curation.database.transaction() as transaction:
                await candidate_store.put_candidates(transaction.connection, [(TENANT, one)])

        async def names(table: str) -> set[str]:
            async with curation.database.transaction() as transaction:
                rows = await transaction.connection.fetch(f"SELECT dialog_id FROM {table}")
            return {row["dialog_id"] for row in rows}

        suggester = Suggester(curation.database, Slow(curation.folder.as_uri()))
        await suggester.suggest_next()
        assert (await names("suggestions"), await names("suggestion_queue")) == ({"b", "c"}, {"a"})
        async with curation.database.transaction() as transaction:
            await transaction.connection.execute("INSERT INTO suggestion_queue VALUES ('acme', 'b')")
        monkeypatch.setattr(suggest_dialogs, "AT_MOST", -1.0)
        await suggester.suggest_next()
        assert await names("suggestion_queue") == {"a", "b"}, "one looked at in vain, one not yet"
        await suggester.suggest_next()
        assert await names("suggestion_queue") == {"a"}, "the one that is not read comes second"
