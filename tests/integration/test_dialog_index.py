"""The indexer on a real database: intake is never waited for, and no change is lost to it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from deploy.stack.services import Surroundings
from dialog_svc.outbound import dialog_store, index_store
from dialog_svc.usecases.index_dialogs import index_dialogs
from tests.integration.dialog_world import START, said, take_in
from tests.integration.kit import Kit, kit


async def listed(parts: Kit) -> dict[str, Any]:
    async with parts.database.transaction() as transaction:
        rows = await transaction.connection.fetch("SELECT dialog_id, message_count, models FROM listings")
    return {row["dialog_id"]: (row["message_count"], row["models"]) for row in rows}


async def waiting(parts: Kit) -> list[str]:
    async with parts.database.transaction() as transaction:
        rows = await index_store.unlisted_dialogs(transaction.connection, 10)
    return [row["dialog_id"] for row in rows]


async def index(parts: Kit) -> None:
    async with parts.database.transaction() as transaction:
        await index_dialogs(transaction.connection)


async def test_a_dialog_that_changes_while_it_is_listed_is_listed_again(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_listed = index_store.mark_listed
    async with kit(surroundings) as parts:

        async def mark_late(connection: Any, dialogs: Any) -> None:
            # the worker holds no lock on a dialog: this batch commits while the worker is at it
            await take_in(parts, said("d1", 1, "assistant", model="gpt-4o"))
            await mark_listed(connection, dialogs)

        await take_in(parts, said("d1", 0), said("d2", 0))
        monkeypatch.setattr(index_store, "mark_listed", mark_late)
        await index(parts)
        monkeypatch.undo()
        assert await listed(parts) == {"d1": (1, []), "d2": (1, [])}
        assert await waiting(parts) == ["d1"]
        await index(parts)
        assert await listed(parts) == {"d1": (2, ["gpt-4o"]), "d2": (1, [])}


async def test_a_dialog_that_somebody_holds_is_not_waited_for_but_listed_again(
    surroundings: Surroundings,
) -> None:
    async with kit(surroundings) as parts:
        await take_in(parts, said("d1", 0), said("d2", 0))
        async with parts.database.transaction() as holder:
            await dialog_store.lock_known(holder.connection, [("acme", "d1")])
            async with asyncio.timeout(10):
                await index(parts)
            assert await waiting(parts) == ["d1"]
        await index(parts)
        assert await waiting(parts) == []
        assert await listed(parts) == {"d1": (1, []), "d2": (1, [])}


async def test_only_new_messages_are_read_and_what_they_say_is_added(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:
        await take_in(parts, said("d1", 0, text="tulips"), said("d1", 1, "assistant", model="b", call="find"))
        await index(parts)
        await take_in(parts, said("d1", 2, text="roses", at=START + timedelta(hours=1)))
        async with parts.database.transaction() as transaction:
            (one,) = await index_store.unlisted_dialogs(transaction.connection, 10)
            new = await index_store.new_messages(transaction.connection, [one], 500)
        assert [row["position"] for row in new] == [2]
        await take_in(parts, said("d1", 3, "assistant", model="a"))
        await index(parts)
        async with parts.database.transaction() as transaction:
            row = await transaction.connection.fetchrow(
                "SELECT l.models, l.has_functions, d.words @@ 'tulip & rose' AS both "
                "FROM listings l JOIN search_documents d USING (tenant_id, dialog_id, shelf)"
            )
        assert row is not None
        assert (row["models"], row["has_functions"], row["both"]) == (["a", "b"], True, True)


async def test_a_dialog_of_very_many_words_is_listed_all_the_same(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:
        for part in range(4):
            text = " ".join(f"{part}ж{number}" + "ы" * 20 for number in range(9_000))
            await take_in(parts, said("d1", part, text=text))
            await index(parts)
        assert await listed(parts) == {"d1": (4, [])}


async def test_a_dialog_of_very_many_messages_is_indexed_in_turns(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialog_svc.usecases.index_dialogs.MESSAGES", 2)
    async with kit(surroundings) as parts:
        await take_in(parts, *(said("d1", number, text=f"word{number}") for number in range(5)))
        await take_in(parts, said("d2", 0))
        places = []
        for _ in range(3):
            await index(parts)
            async with parts.database.transaction() as transaction:
                row = await transaction.connection.fetchrow(
                    "SELECT l.indexed_to, d.words FROM listings l "
                    "JOIN search_documents d USING (tenant_id, dialog_id, shelf) WHERE dialog_id = 'd1'"
                )
            assert row is not None
            places.append((row["indexed_to"], row["words"].count("word"), await waiting(parts)))
    assert places == [(2, 2, ["d1"]), (4, 4, ["d1"]), (5, 5, [])]
