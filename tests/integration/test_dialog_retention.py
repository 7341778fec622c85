"""Old text on a real database: dropped by class and month, with all that refers to it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from chassis.objects import ObjectStore
from contracts.chat import DialogEnded, DialogRatedInChat
from deploy.stack.services import Surroundings
from dialog_svc.usecases.erase_dialogs import Eraser
from dialog_svc.usecases.retire_dialogs import retire_dialogs
from tests.harness import bodies, instance, now, publish, publisher, service, until
from tests.integration.dialog_world import listed, said, take_in
from tests.integration.kit import Kit, kit
from tests.traces_left import in_objects


async def fetch(surroundings: Surroundings, sql: str, *arguments: Any) -> list[Any]:
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("SET search_path = dialog_svc, public")
        return list(await admin.fetch(sql, *arguments))


async def age(surroundings: Surroundings, kept: int, *, silent: tuple[str, ...] = ()) -> int:
    """Move everything onto a shelf of 2020; `silent` dialogs have not been heard of since."""
    ((shelf,),) = await fetch(surroundings, "SELECT add_shelf($1, '2020-01-01')", kept)
    for table in ("dialogs", "messages", "search_documents", "listings"):
        await fetch(surroundings, f"UPDATE {table} SET shelf = $1", shelf)
    await fetch(
        surroundings,
        "INSERT INTO vocabulary SELECT DISTINCT tenant_id, unnest(tsvector_to_array(words)), shelf "
        "FROM search_documents",
    )
    await fetch(surroundings, "DELETE FROM vocabulary WHERE shelf <> $1", shelf)
    await fetch(
        surroundings, "UPDATE dialogs SET heard_at = '2020-01-05' WHERE dialog_id = ANY($1)", list(silent)
    )
    return int(shelf)


async def retire(parts: Kit) -> None:
    more = True
    while more:
        async with parts.database.transaction() as transaction:
            more = await retire_dialogs(transaction.connection)


async def test_old_text_goes_with_what_refers_to_it_and_living_dialogs_are_carried_over(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    events = [
        said("old", 0, text="secret-word"), said("old", 1, "assistant", model="gpt-4o"),
        DialogRatedInChat(dialog_id="old", rating="bad", by="client"),
        DialogEnded(dialog_id="old", agent_id="shop", at=now()),
        said("living", 0, text="tulips"),
    ]  # fmt: skip
    async with service(surroundings, "dialog-svc", tmp_path) as running, publisher(surroundings) as producer:
        await publish(producer, surroundings, events)
        await listed(running, 1, rating="bad")
        await listed(running, 2)
        await until(lambda: bodies(surroundings, "dialog.completed"))
        shelf = await age(surroundings, 365, silent=("old",))
        async with kit(surroundings) as parts:
            await retire(parts)
        assert [one["dialog_id"] for one in await listed(running, 1, q="tulips")] == ["living"]
        assert await listed(running, 0, q="secret-word") == []
        api = await running.client()
        assert [one["id"] for one in (await api.get("/v1/dialogs/living")).json()["messages"]] == ["m0"]
        assert (await api.get("/v1/dialogs/old")).status_code == 404
        left = [
            row["name"]
            for row in await fetch(surroundings, "SELECT relname AS name FROM pg_class WHERE relkind = 'r'")
        ]
        assert not [name for name in left if name.endswith(f"_{shelf}")]
        for table in ("messages", "revisions", "ratings", "listings", "search_documents"):
            rows = await fetch(surroundings, f"SELECT dialog_id FROM {table}")
            assert {row["dialog_id"] for row in rows} <= {"living"}, table
        assert not await fetch(surroundings, "SELECT FROM vocabulary WHERE word LIKE 'secret%'")
        # should it go on after all, its revisions do too
        await publish(producer, surroundings, [said("old", 7)])
        await publish(producer, surroundings, [DialogEnded(dialog_id="old", agent_id="shop", at=now())])

        async def again() -> Any:
            found = await bodies(surroundings, "dialog.completed")
            return [one for one in found if one.get("revision") == 2]

        (second,) = await until(again)
    assert [one["id"] for one in second["transcript"]["messages"]] == ["m7"]


async def test_a_living_dialog_lands_on_the_shelf_of_the_month_in_which_it_went_on(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    ago = timedelta(days=70)
    async with service(surroundings, "dialog-svc", tmp_path) as running, publisher(surroundings) as producer:
        await publish(producer, surroundings, [said("then", 0), said("now", 0)])
        await listed(running, 2)
        for month in (now() - ago, now() - ago - timedelta(days=40)):
            await fetch(surroundings, "SELECT add_shelf(365, $1)", month.date().replace(day=1))
        await age(surroundings, 365)
        await fetch(surroundings, "UPDATE dialogs SET heard_at = $1 WHERE dialog_id = 'then'", now() - ago)
        async with kit(surroundings) as parts:
            await retire(parts)
        rows = await fetch(
            surroundings,
            """
            SELECT d.dialog_id, s.month = date_trunc('month', d.heard_at) AS then,
                   m.shelf = d.shelf AND t.shelf = d.shelf AND l.shelf = d.shelf AS together
            FROM dialogs d JOIN shelves s USING (shelf) JOIN messages m USING (tenant_id, dialog_id)
            JOIN search_documents t USING (tenant_id, dialog_id) JOIN listings l USING (tenant_id, dialog_id)
            """,
        )
    assert {row["dialog_id"]: (row["then"], row["together"]) for row in rows} == {
        "then": (True, True),
        "now": (True, True),
    }


async def test_what_is_kept_for_ever_and_what_is_young_stays(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with service(surroundings, "dialog-svc", tmp_path) as running, publisher(surroundings) as producer:
        await publish(producer, surroundings, [said("d1", 0)])
        await listed(running, 1)
        await age(surroundings, 0, silent=("d1",))
        before = await fetch(surroundings, "SELECT shelf FROM shelves ORDER BY shelf")
        async with kit(surroundings) as parts:
            await retire(parts)
        assert await fetch(surroundings, "SELECT shelf FROM shelves ORDER BY shelf") == before
        api = await running.client()
        assert (await api.get("/v1/dialogs/d1")).status_code == 200


async def test_a_dialog_lies_on_the_shelf_of_its_tenant_and_agent(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    keep = '{"acme": 30, "acme/for%2Fever": 0}'
    async with (
        service(surroundings, "dialog-svc", tmp_path, keep=keep) as running,
        publisher(surroundings) as producer,
    ):
        await publish(producer, surroundings, [said("d1", 0), said("d2", 0, agent_id="for/ever")])
        await publish(producer, surroundings, [said("d3", 0)], tenant="globex")
        await listed(running, 2)
        await listed(running, 1, tenant="globex")
        rows = await fetch(
            surroundings,
            "SELECT m.dialog_id, s.kept, s.month = date_trunc('month', now()) AS this_month "
            "FROM messages m JOIN shelves s USING (shelf)",
        )
    assert {(row["dialog_id"], row["kept"]) for row in rows} == {("d1", 30), ("d2", 0), ("d3", 365)}
    assert all(row["this_month"] for row in rows)


async def test_a_class_without_shelves_is_refused_at_the_start(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    running = instance(surroundings, "dialog-svc", tmp_path, keep='{"acme": 7}')
    running.start()
    assert running.process is not None
    assert running.process.wait(30) == 2
    assert "unknown retention [7]" in running.log.read_text()


async def test_large_transcripts_go_with_their_dialog(surroundings: Surroundings) -> None:
    async with kit(surroundings) as parts:
        large = said("old", 0, text="secret-word " * 200)
        await take_in(parts, large, DialogEnded(dialog_id="old", agent_id="shop", at=now()))
        assert in_objects(surroundings, "secret-word")
        await age(surroundings, 365, silent=("old",))
        await retire(parts)
        await Eraser(parts.database, ObjectStore(parts.settings.objects_url), 0.0).empty_folders()
        assert in_objects(surroundings, "secret-word") == []
        assert await fetch(surroundings, "SELECT FROM doomed_folders") == []
