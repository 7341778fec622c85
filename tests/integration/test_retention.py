"""What goes after a time: transcripts never taken, drafts, undo, the audit trail; what operators see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from chassis import audit
from chassis import observability as seen
from chassis.errors import Problem
from chassis.objects import MissingObjectError
from chassis.retention import expire_audit, kept_audit, report
from dataset_svc.domain.dialog import Candidate, Dialog
from dataset_svc.domain.labels import SetNote
from dataset_svc.domain.message import dump
from dataset_svc.outbound import candidate_store, step_store
from dataset_svc.usecases import expire_examples
from dataset_svc.usecases.decide_suggestion import accept_suggestion
from dataset_svc.usecases.edit_example import edit_example, lock_example
from dataset_svc.usecases.expire_examples import Expirer, kept
from dataset_svc.usecases.open_example import open_from_dialog
from dataset_svc.usecases.suggest_dialogs import Suggester
from deploy.stack.prepared import Prepared
from tests.damage import SOUND
from tests.integration.curation import TENANT, Curation, curating


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as made:
        yield made


async def put(curation: Curation, *dialogs: str, revision: int = 1) -> None:
    text = orjson.dumps(dump(SOUND))
    candidates = [
        (TENANT, Candidate(one, revision, "", "shop", "live", None, len(SOUND), datetime.now(UTC), text))
        for one in dialogs
    ]
    async with curation.database.transaction() as transaction:
        await candidate_store.put_candidates(transaction.connection, candidates)


async def opened(curation: Curation, dataset: UUID, dialog: str) -> str:
    async with curation.database.transaction() as transaction:
        found = await open_from_dialog(
            transaction, curation.objects, tenant=TENANT, by="olga", dataset_id=dataset, dialog_id=dialog,
            revision=1,
        )  # fmt: skip
    return found.how


async def run(curation: Curation, sql: str, *arguments: Any) -> Sequence[Any]:
    async with curation.database.transaction() as transaction:
        return list(await transaction.connection.fetch(sql, *arguments))


def expirer(curation: Curation, **days: float) -> Expirer:
    wanted = {"unsaved": 30.0, "operations": 30.0, "candidates": 90.0} | days
    return Expirer(curation.database, curation.objects, **wanted)


async def expire(curation: Curation, **days: float) -> None:
    made = expirer(curation, **days)
    while await made.expire_next():
        pass


async def held(curation: Curation) -> set[str]:
    rows = await run(curation, "SELECT dialog_id FROM candidates WHERE transcript IS NOT NULL")
    return {row["dialog_id"] for row in rows}


def counted(kind: str) -> tuple[float, float]:
    """Rows and bytes of a kind that this process let go of."""
    return (
        seen.expired_rows.labels(kind)._value.get(),
        seen.expired_bytes.labels(kind)._value.get(),
    )


async def test_a_transcript_that_nobody_took_goes_and_comes_back_when_selected_again(
    curation: Curation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire_examples, "SLICE", 2)  # all were received at one moment: more than a turn
    dataset = await curation.agent()
    await put(curation, "taken", "awaited", "left", "other", "third")
    assert await opened(curation, dataset, "taken") == "created"
    await run(
        curation,
        "INSERT INTO pending_examples (tenant_id, dataset_id, dialog_id, revision, example_id, asked_by) "
        "VALUES ($1, $2, 'awaited', 9, $3, 'olga')",
        TENANT, dataset, uuid4(),
    )  # fmt: skip
    await run(curation, "UPDATE candidates SET received_at = now() - interval '91 days'")
    await put(curation, "young")
    rows, size = counted("candidates")
    await expire(curation, candidates=0.0)
    assert len(await held(curation)) == 6
    await expire(curation)
    assert await held(curation) == {"taken", "awaited", "young"}
    after = counted("candidates")
    assert (after[0] - rows, after[1] - size > 300) == (3, True)
    assert await opened(curation, dataset, "left") == "pending"
    await put(curation, "other")
    assert await opened(curation, dataset, "other") == "created"


async def test_a_revision_the_same_as_one_that_expired_is_understood_and_waits_for_its_text(
    curation: Curation,
) -> None:
    dataset = await curation.agent()
    await put(curation, "d")
    await run(curation, "UPDATE candidates SET received_at = now() - interval '91 days'")
    await expire(curation)
    same = Candidate("d", 2, "", "shop", "live", "sold", len(SOUND), datetime.now(UTC), same_as=1)
    async with curation.database.transaction() as transaction:
        assert await candidate_store.repeat_candidates(transaction.connection, [(TENANT, same)]) == 1
    assert await opened(curation, dataset, "d") == "pending"
    await put(curation, "d", revision=2)
    assert await opened(curation, dataset, "d") == "created"


async def test_undo_goes_after_its_own_time_and_drafts_after_theirs(curation: Curation) -> None:
    dataset = await curation.agent()
    await curation.take(dataset, SOUND, save=False)
    (saved,) = await curation.take(dataset, SOUND)
    for days in (5, 50):
        await run(
            curation,
            "WITH o AS (INSERT INTO operations (tenant_id, id, dataset_id, action, state, asked_by, "
            "finished_at) VALUES ($1, $2, $3, 'save', 'done', 'olga', now() - make_interval(days => $5)) "
            "RETURNING id) "
            "INSERT INTO operation_items (tenant_id, operation_id, example_id, state, before) "
            "SELECT $1, id, $4, 'done', '{\"draft\": \"once\"}' FROM o",
            TENANT, uuid4(), dataset, saved, days,
        )  # fmt: skip
    await run(curation, "UPDATE examples SET changed_at = now() - interval '40 days'")
    rows, size = counted("operations")
    await expire(curation, unsaved=60.0)
    assert len(await run(curation, "SELECT FROM operations")) == 1
    assert len(await run(curation, "SELECT FROM examples")) == 2
    after = counted("operations")
    assert (after[0] - rows, after[1] > size) == (1, True)
    await expire(curation, operations=3.0)
    assert await run(curation, "SELECT FROM operations") == []
    assert [row["id"] for row in await run(curation, "SELECT id FROM examples")] == [saved]


async def test_the_way_back_of_an_edit_goes_after_its_time(curation: Curation) -> None:
    (example,) = await curation.take(await curation.agent(), SOUND, save=False)
    for note in ("long ago", "now"):
        async with curation.database.tenant_transaction(TENANT) as transaction:
            await edit_example(
                transaction, tenant=TENANT, by="olga", example_id=example, seen=None,
                operations=[SetNote(note)],
            )  # fmt: skip
    old = "UPDATE draft_changes SET changed_at = now() - interval '31 days' WHERE draft_revision = "
    await run(curation, old + "(SELECT min(draft_revision) FROM draft_changes)")
    await expire(curation)
    async with curation.database.tenant_transaction(TENANT) as transaction:
        left = await step_store.steps(transaction.connection, TENANT, example)
    assert [one["known"] for one in left] == [True, False]


async def test_an_imported_file_that_cannot_be_deleted_now_is_deleted_later(
    curation: Curation, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = await curation.agent()
    stored = await curation.objects.put(f"tenants/{TENANT}/imports/old.jsonl", b"{}")
    await run(
        curation,
        "INSERT INTO operations (tenant_id, id, dataset_id, action, state, asked_by, finished_at, arguments) "
        "VALUES ($1, $2, $3, 'import', 'done', 'olga', now() - interval '31 days', $4)",
        TENANT, uuid4(), dataset, {"uri": stored.uri},
    )  # fmt: skip

    async def fails(*_: Any) -> None:
        raise ConnectionError("the storage does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(curation.objects, "delete", fails)
        with pytest.raises(ConnectionError):
            await expire(curation)
    await expire(curation)
    with pytest.raises(MissingObjectError):
        await curation.objects.read(stored.uri, TENANT, stored.sha256)
    assert await run(curation, "SELECT FROM operations") == []


async def test_a_draft_that_somebody_has_just_now_is_passed_by_and_not_waited_for(curation: Curation) -> None:
    dataset = await curation.agent()
    held, left = await curation.take(dataset, SOUND, SOUND, save=False)
    await run(curation, "UPDATE examples SET changed_at = now() - interval '40 days'")
    async with curation.database.transaction() as transaction:
        await lock_example(transaction.connection, TENANT, held)
        assert await expirer(curation).expire_next(), "it is looked for again soon"
        assert [row["id"] for row in await run(curation, "SELECT id FROM examples")] == [held], left
    await expire(curation)
    assert await run(curation, "SELECT id FROM examples") == []


async def test_the_audit_trail_goes_by_age_for_every_tenant_and_never_with_0(curation: Curation) -> None:
    async with curation.database.transaction() as transaction:
        for tenant in ("acme", "globex"):
            await audit.record(
                transaction.connection, tenant=tenant, subject="olga", action="a", object_id="1"
            )
        await transaction.connection.execute(
            "INSERT INTO audit (tenant_id, id, subject, action, object_id) "
            "SELECT t, uuidv7(make_interval(days => -d)), 'olga', 'old', '1' "
            "FROM unnest('{acme,globex,initech}'::text[]) t, unnest('{364,366,900}'::int[]) d"
        )
    assert not await expire_audit(curation.database, 0.0)
    assert len(await run(curation, "SELECT FROM audit")) == 11
    assert not await expire_audit(curation.database, 365.0)
    left = await run(curation, "SELECT action, count(*) FROM audit GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in left] == [("a", 2), ("old", 3)]


async def test_operators_see_counts_sizes_and_what_goes_next_but_no_text(curation: Curation) -> None:
    dataset = await curation.agent()
    await put(curation, "taken", "left", "soon")
    await opened(curation, dataset, "taken")
    await run(
        curation, "UPDATE candidates SET received_at = now() - interval '91 days' WHERE dialog_id <> 'soon'"
    )
    await run(
        curation, "UPDATE candidates SET received_at = now() - interval '85 days' WHERE dialog_id = 'soon'"
    )
    async with curation.database.transaction() as transaction:
        kinds = await report(transaction.connection, (kept_audit(0.0), *kept(30.0, 30.0, 90.0)))
    found = {one["kind"]: one for one in kinds}
    candidates = found["candidates"]
    assert (candidates["rows"], candidates["due"], candidates["due_in_7_days"]) == (2, 1, 2)
    assert candidates["table_bytes"] > 8_192
    assert datetime.now(UTC) - datetime.fromisoformat(candidates["oldest"]) > timedelta(days=90)
    assert (found["audit"]["rows"], found["audit"]["days"], found["audit"]["due_in_7_days"]) == (1, 0.0, 0)
    assert (found["drafts"]["rows"], found["operations"]["rows"], found["operations"]["oldest"]) == (
        1,
        0,
        None,
    )
    assert "taken" not in str(kinds)


async def test_a_suggestion_whose_text_expired_says_so_and_holds_up_no_worker(curation: Curation) -> None:
    dataset = await curation.agent()
    await put(curation, "d")
    async with curation.database.transaction() as transaction:
        rated = Dialog(TENANT, "d", ratings={("", "client"): "bad"})
        await candidate_store.put_ratings(transaction.connection, [rated])
    suggester = Suggester(curation.database, curation.objects)
    await suggester.suggest_next()
    await run(curation, "UPDATE candidates SET received_at = now() - interval '91 days'")
    await expire(curation)
    await run(curation, "UPDATE ratings SET rating = 'bad'")  # as a rating that comes late does
    await suggester.suggest_next()
    assert await run(curation, "SELECT FROM suggestion_queue") == []

    async def accept() -> str:
        async with curation.database.transaction() as transaction:
            opened = await accept_suggestion(
                transaction, curation.objects, tenant=TENANT, by="olga", dataset_id=dataset, dialog_id="d",
                branch="",
            )  # fmt: skip
        return opened.how

    with pytest.raises(Problem) as refused:
        await accept()
    assert (refused.value.status, refused.value.code) == (409, "text_expired")
    await put(curation, "d")
    assert await accept() == "created"
