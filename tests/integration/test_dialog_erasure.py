"""Dialogs and clients erased from dialog-svc on a real database: nothing is left, nothing comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis import outbox, published
from chassis.database import Transaction
from chassis.envelope import UNKNOWN, Received
from chassis.objects import ObjectStore
from contracts.chat import ChatClient, DialogEnded, DialogRatedInChat, MessagePosted
from contracts.dialogs import DialogForgotten, Holding
from deploy.stack.services import Surroundings
from dialog_svc.domain.retention import Retention
from dialog_svc.domain.search import MAX_WORDS
from dialog_svc.outbound import erasure_store, shelf_store
from dialog_svc.usecases import erase_dialogs
from dialog_svc.usecases.ask_erasure import Kind, ask_erasure
from dialog_svc.usecases.erase_dialogs import Eraser, erase
from dialog_svc.usecases.find_dialogs import Search, page_of_dialogs
from dialog_svc.usecases.index_dialogs import index_dialogs
from dialog_svc.usecases.take_in_chat import take_in_chat
from tests.harness import now, until
from tests.integration.dialog_world import START, said, take_in, transcripts
from tests.integration.kit import Kit, kit
from tests.traces_left import in_objects, in_tables

CANARY = "zimzalabim"


class Desk:
    """dialog-svc's part in an erasure, called as its endpoints and workers do."""

    def __init__(self, parts: Kit, settle: float = 0.0) -> None:
        self.parts = parts
        self.eraser = Eraser(parts.database, ObjectStore(parts.settings.objects_url), settle)

    async def ask(self, subject: str, kind: Kind = "dialog", tenant: str = "acme") -> UUID:
        async with self.parts.database.tenant_transaction(tenant) as transaction:
            return await ask_erasure(
                transaction, tenant=tenant, subject=subject, kind=kind, asked_by="olga", reason="asked"
            )

    async def work(self) -> None:
        while await self.eraser.erase_next():
            pass
        await self.eraser.empty_folders()

    async def index(self) -> None:
        async with self.parts.database.transaction() as transaction:
            await index_dialogs(transaction.connection)

    async def found(self, words: str, tenant: str = "acme") -> list[str]:
        async with self.parts.database.tenant_transaction(tenant) as transaction:
            rows = await page_of_dialogs(transaction.connection, Search({}, words), "newest", None, 10)
        return [row["dialog_id"] for row in rows]

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        async with self.parts.database.transaction() as transaction:
            return list(await transaction.connection.fetch(sql, *arguments))

    async def somebody_waits(self) -> None:
        """Return once a transaction waits for the lock of another one."""

        async def found() -> bool:
            (row,) = await self.rows(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(row["count"])

        await until(found)

    async def state(self, request: UUID) -> tuple[int, int]:
        """How many dialogs a request erased, and of how many not everyone has spoken."""
        async with self.parts.database.tenant_transaction("acme") as transaction:
            known = await erasure_store.get_request(transaction.connection, "acme", request)
            assert known is not None
            summary = await erasure_store.summary_of(transaction.connection, "acme", known)
        return summary["dialogs"], summary["open"]


@asynccontextmanager
async def desk(surroundings: Surroundings, settle: float = 0.0) -> AsyncIterator[Desk]:
    async with kit(surroundings) as parts:
        yield Desk(parts, settle)


def ended(dialog: str) -> DialogEnded:
    return DialogEnded(dialog_id=dialog, agent_id="shop", at=now())


def by(client: str, dialog: str, **more: Any) -> MessagePosted:
    return said(dialog, 0, **more).model_copy(update={"client": ChatClient(pseudonym=client)})


async def test_nothing_is_left_of_an_erased_dialog_and_nothing_comes_back(surroundings: Surroundings) -> None:
    events = [
        said("d", 0, text=f"My name is {CANARY} and I want tulips"),
        said("d", 1, "assistant", call="find", arguments=f'{{"who": "{CANARY}"}}'),
        said("d", 2, "tool", text=CANARY * 200, tool_call_id="c1"),  # too large for an event
        DialogRatedInChat(dialog_id="d", rating="bad", by="client", comment=f"{CANARY} is angry"),
        ended("d"),
    ]
    other = [said("other", 0, text="I want tulips too"), ended("other")]
    async with desk(surroundings) as here:
        await take_in(here.parts, *events, *other)
        await here.index()
        assert await here.found(CANARY) == ["d"]
        waiting = await here.rows("SELECT id FROM outbox WHERE key = $1 ORDER BY id", b"acme/d")
        async with here.parts.database.transaction() as transaction:
            await published.take_over(transaction.connection, "log", "dialog-svc", [waiting[0]["id"]])
        assert await here.rows("SELECT id FROM published")
        assert len(await in_tables(surroundings, CANARY)) >= 5
        assert in_objects(surroundings, CANARY)
        request = await here.ask("d")
        assert await here.ask("d") == request, "asked twice, erased once"
        await here.work()
        assert await here.ask("d") == request, "asked again later, nothing is left to erase"
        assert await in_tables(surroundings, CANARY) == []
        assert in_objects(surroundings, CANARY) == []
        assert await here.found("tulips") == ["other"]
        # what waited to be published is gone; the word that the dialog went is there, and names no text
        (waiting,) = await here.rows(
            "SELECT headers ->> 'ce_type' AS type FROM outbox WHERE key = $1", b"acme/d"
        )
        assert waiting["type"] == "dialog.erased.v1"
        assert await here.rows("SELECT id FROM published") == []

        await take_in(here.parts, *events, said("d", 3, text=CANARY), *other)
        await here.index()
        assert await in_tables(surroundings, CANARY) == []
        assert await here.found(CANARY) == []
        assert [row["dialog_id"] for row in await here.rows("SELECT dialog_id FROM dialogs")] == ["other"]
        (stone,) = await here.rows("SELECT heard_at FROM tombstones WHERE kind = 'dialog'")
        assert stone["heard_at"] is not None, "a copy came into the log again, so it expires later"


async def test_words_that_others_say_too_are_still_found_by_a_slip(surroundings: Surroundings) -> None:
    async with desk(surroundings) as here:
        await take_in(here.parts, said("d", 0, text=f"tulips 4815162342 {CANARY}"))
        await take_in(here.parts, said("other", 0, text="tulips 4815162342"))
        await here.index()
        await here.ask("d")
        await here.work()
        assert await here.found("tulisp") == ["other"]
        assert await here.found("162342") == ["other"]
        assert not await here.rows("SELECT FROM vocabulary WHERE word = $1", CANARY)


async def test_more_words_than_a_document_takes_are_forgotten_too(surroundings: Surroundings) -> None:
    async with desk(surroundings) as here:
        for number in range(3):  # a turn of the indexer each
            words = " ".join(f"{CANARY}{number}x{count}" for count in range(MAX_WORDS))
            await take_in(here.parts, said("d", number, text=words))
            await here.index()
        assert len(await here.rows("SELECT FROM vocabulary")) > MAX_WORDS
        await here.ask("d")
        await here.work()
        assert await in_tables(surroundings, CANARY) == []


async def test_a_dialog_that_is_not_known_yet_is_erased_before_it_comes(surroundings: Surroundings) -> None:
    async with desk(surroundings) as here:
        await here.ask("late")
        await here.work()
        await take_in(here.parts, said("late", 0, text=CANARY), ended("late"))
        assert await in_tables(surroundings, CANARY) == []
        assert await here.rows("SELECT FROM dialogs") == []


async def test_a_client_is_erased_with_all_that_was_said_until_then(surroundings: Surroundings) -> None:
    async with desk(surroundings) as here:
        for dialog in (f"d{number}" for number in range(12)):
            await take_in(here.parts, by("anna", dialog, text=f"{CANARY} {dialog}"))
        await take_in(here.parts, by("boris", "b", text="tulips"))
        await take_in(here.parts, by("anna", "d0", text=f"{CANARY} elsewhere"), tenant="globex")
        request = await here.ask("anna", "client")
        await here.work()
        assert await here.state(request) == (12, 12)
        left = await here.rows("SELECT tenant_id, dialog_id FROM dialogs ORDER BY 1, 2")
        assert [tuple(row) for row in left] == [("acme", "b"), ("globex", "d0")]
        # said before, come late: it goes with all that follows; said after: a client may come back
        await take_in(here.parts, by("anna", "late", text=CANARY, at=START))
        await take_in(here.parts, said("late", 1, "assistant", text=CANARY))
        await take_in(here.parts, by("anna", "back", text="hello again", at=now() + timedelta(minutes=1)))
        left = await here.rows("SELECT dialog_id FROM dialogs WHERE tenant_id = 'acme' ORDER BY 1")
        assert [row["dialog_id"] for row in left] == ["b", "back"]
        again = await here.ask("anna", "client")
        assert again != request
        await here.work()
        assert await here.state(again) == (1, 1)


async def test_a_dialog_that_began_with_its_rating_is_asked_for_its_client_when_that_is_known(
    surroundings: Surroundings,
) -> None:
    """Its messages were dead letters that are replayed after the client was erased."""
    async with desk(surroundings) as here:
        rated = DialogRatedInChat(dialog_id="d", rating="bad", by="client", comment=f"{CANARY} is angry")
        await take_in(here.parts, rated, ended("d"))
        await here.ask("anna", "client")
        await here.work()
        await take_in(here.parts, by("anna", "d", text=CANARY, at=START), said("d", 1, text=CANARY))
        await take_in(here.parts, said("d", 2, text=CANARY))
        assert await in_tables(surroundings, CANARY) == []


async def test_a_client_is_looked_for_again_once_what_was_being_taken_in_is_there(
    surroundings: Surroundings,
) -> None:
    async with desk(surroundings, settle=3600.0) as here:
        request = await here.ask("anna", "client")
        await here.work()
        (row,) = await here.rows("SELECT subject, again_at FROM erasure_requests WHERE id = $1", request)
        assert row["subject"] == "anna"
        assert row["again_at"] > now() + timedelta(minutes=50)


async def test_what_follows_in_a_late_dialog_of_a_client_moves_the_date_of_his_record(
    surroundings: Surroundings,
) -> None:
    """Its copy in the log is younger than the first one that was dropped."""
    async with desk(surroundings) as here:
        request = await here.ask("anna", "client")
        await here.work()

        async def heard() -> Any:
            async with here.parts.database.tenant_transaction("acme") as transaction:
                known = await erasure_store.get_request(transaction.connection, "acme", request)
                assert known is not None
                return (await erasure_store.summary_of(transaction.connection, "acme", known))["heard_at"]

        assert await heard() is None
        await take_in(here.parts, by("anna", "late", at=START))
        first = await heard()
        assert first is not None
        await take_in(here.parts, said("late", 1, "assistant", text=CANARY))
        assert await heard() > first
        assert await here.ask("late") == request, "it went with the client"


async def test_what_was_said_until_a_client_is_asked_for_again_goes_with_the_same_request(
    surroundings: Surroundings,
) -> None:
    async with desk(surroundings) as here:
        request = await here.ask("anna", "client")
        between = now()
        assert await here.ask("anna", "client") == request, "it is not served yet"
        await here.work()
        await take_in(here.parts, by("anna", "late", text=CANARY, at=between))
        assert await in_tables(surroundings, CANARY) == [], "said before the second time"
        assert await here.ask("anna", "client") != request, "it is served by now"


async def test_a_client_is_looked_for_again_after_the_last_time_that_it_was_asked(
    surroundings: Surroundings,
) -> None:
    async with desk(surroundings, settle=3600.0) as here:
        request = await here.ask("anna", "client")
        await here.rows(
            "UPDATE erasure_requests SET asked_at = $1, repeated_at = $1", START - timedelta(days=1)
        )
        await here.ask("anna", "client")
        await here.work()
        (row,) = await here.rows("SELECT subject FROM erasure_requests WHERE id = $1", request)
        assert row["subject"] == "anna", "what was being taken in the second time may not be there yet"


async def test_a_client_of_long_dialogs_is_erased_some_messages_at_a_time(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_dialogs, "ENOUGH", 3)
    async with desk(surroundings) as here:
        for dialog in ("d1", "d2", "d3", "d4"):
            await take_in(here.parts, by("anna", dialog), said(dialog, 1))
        await take_in(here.parts, *(said("d2", number) for number in range(2, 9)))
        request = await here.ask("anna", "client")
        await here.work()
        assert await here.state(request) == (4, 4)
        steps = await here.rows("SELECT count(*) FROM erasures GROUP BY xmin::text ORDER BY 1")
        assert [row["count"] for row in steps] == [1, 1, 1, 1]


async def test_a_client_takes_his_dialogs_along_whose_text_has_reached_its_age(
    surroundings: Surroundings,
) -> None:
    """dataset-svc may hold an example of each: it is told by the dialog's id."""
    async with desk(surroundings) as here:
        await take_in(here.parts, by("anna", "old"), said("old", 1, "assistant"), ended("old"))
        await take_in(here.parts, by("boris", "other"), said("other", 1, "assistant"), ended("other"))
        async with here.parts.database.transaction() as transaction:
            await shelf_store.delete_dialogs(transaction.connection, [("acme", "old"), ("acme", "other")])
        assert await here.rows("SELECT FROM dialogs") == []
        request = await here.ask("anna", "client")
        await here.work()
        assert await here.state(request) == (1, 1)
        told = await here.rows(
            "SELECT convert_from(key, 'UTF8') AS key FROM outbox WHERE headers ->> 'ce_type' = $1",
            "dialog.erased.v1",
        )
        assert [row["key"] for row in told] == ["acme/old"]
        assert [row["dialog_id"] for row in await here.rows("SELECT dialog_id FROM retired")] == ["other"]


async def test_the_record_is_done_once_everyone_has_spoken_of_everything(surroundings: Surroundings) -> None:
    async with desk(surroundings) as here:
        await take_in(here.parts, said("d", 0))
        request = await here.ask("d")
        await here.work()
        ((erasure,),) = await here.rows("SELECT id FROM erasures")

        async def report(service: str, state: str, *versions: str) -> tuple[int, int]:
            held = tuple(Holding(kind="version", id=one, state="deleted") for one in versions)
            word = DialogForgotten.model_validate(
                {"erasure_id": str(erasure), "service": service, "state": state, "held": held, "at": now()}
            )
            async with here.parts.database.transaction() as transaction:
                await erasure_store.put_report(transaction.connection, "acme", word)
            return await here.state(request)

        assert await report("agent-svc", "done") == (1, 1)
        assert await report("dataset-svc", "waiting", "s:1", "s:2") == (1, 1)
        assert await report("dataset-svc", "done", "s:1", "s:2") == (1, 1)
        assert await report("training-svc", "done", "s:1") == (1, 1), "nothing was said of s:2"
        assert await report("training-svc", "waiting", "s:1", "s:2") == (1, 1)
        assert await report("training-svc", "done", "s:1", "s:2") == (1, 0)


async def test_an_erasure_waits_for_the_batch_that_takes_the_dialog_in(surroundings: Surroundings) -> None:
    """Both make the row of a dialog that nobody knows yet: the erasure finds what the batch has stored."""
    async with desk(surroundings) as here:
        await here.ask("d")
        async with here.parts.database.transaction() as taking:
            batch = [Received(said("d", 0, text=CANARY), "acme", "e1", "/chat", START, 0, "", 0, 1, UNKNOWN)]
            await take_in_chat(batch, taking, transcripts(here.parts), Retention())
            erasing = asyncio.create_task(here.work())
            await here.somebody_waits()
        await erasing
        assert await in_tables(surroundings, CANARY) == []


async def test_a_batch_waits_for_the_erasure_of_a_dialog_that_it_brings(surroundings: Surroundings) -> None:
    """The other way round: the batch knows of the erasure once that is through."""
    async with desk(surroundings) as here:
        await here.ask("d")
        async with here.parts.database.transaction() as erasing:
            request = await erasure_store.claim_request(erasing.connection)
            assert request is not None
            await erase(erasing, request, [("acme", "d")])
            taking = asyncio.create_task(take_in(here.parts, said("d", 0, text=CANARY)))
            await here.somebody_waits()
        await taking
        assert await in_tables(surroundings, CANARY) == []


async def test_a_request_that_cannot_be_met_holds_up_no_other(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = erase_dialogs.erase

    async def fails(transaction: Transaction, request: Any, slots: Any) -> None:
        if slots == [("acme", "bad")]:
            raise ValueError("something of this dialog is not as it should be")
        await whole(transaction, request, slots)

    monkeypatch.setattr(erase_dialogs, "erase", fails)
    async with desk(surroundings) as here:
        await here.ask("bad")
        good = await here.ask("good")
        await here.work()
        assert await here.state(good) == (1, 1)
        (row,) = await here.rows("SELECT again_at FROM erasure_requests WHERE subject = 'bad'")
        assert row["again_at"] > now()


async def test_events_of_others_stay_in_the_outbox(surroundings: Surroundings) -> None:
    async with desk(surroundings) as here:
        await take_in(here.parts, said("d", 0), ended("d"), said("e", 0), ended("e"))
        async with here.parts.database.transaction() as transaction:
            assert await outbox.withdraw(transaction.connection, "dialog.completed", [("acme", "d")]) == 1
        left = await here.rows("SELECT key FROM outbox")
        assert [bytes(row["key"]) for row in left] == [b"acme/e"]
