"""The editor's calls on real servers: hints, going back, undo, dialogs that go on, copies, expiry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.agents import AgentUpdated, Tool
from contracts.dialogs import DialogCompleted, InlineTranscript
from contracts.fingerprint import prompt_fingerprint
from deploy.stack.services import Surroundings
from tests.harness import Running, service, until
from tests.integration.test_dataset_intake import erased
from tests.integration.test_dataset_svc import (
    agent,
    changed,
    completed,
    dataset_of,
    message,
    patch,
    send,
    take,
    talk,
)

STRICT = {
    "type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"],
    "additionalProperties": False,
}  # fmt: skip


@pytest.fixture
async def dataset_svc(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[Running]:
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        yield running


def other_agent(parameters: Any = None) -> AgentUpdated:
    tool = {"type": "function", "function": {"name": "track", "parameters": parameters or STRICT}}
    tools = (Tool.model_validate(tool),)
    return AgentUpdated(
        agent_id="other", version=1, name="Other", prompt="p", tools=tools,
        fingerprint=prompt_fingerprint("p", tools), base_model="gpt-4o-mini-2024-07-18", provider="openai",
        idle_seconds=60, recorded_by="backend", keys=(),
    )  # fmt: skip


def of(event: DialogCompleted, **more: Any) -> DialogCompleted:
    return event.model_copy(update=more)


async def dataset_named(api: httpx.AsyncClient, agent_id: str) -> str:
    async def there() -> Any:
        return (await api.get("/v1/datasets", params={"agent_id": agent_id})).json()["items"]

    (found,) = await until(there)
    return str(found["id"])


async def undo(api: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    """Press the Undo that an answer names."""
    return await api.post(answer.links["undo"]["url"])


async def test_a_hint_added_to_ones_own_message_is_marked_refused_and_restored(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), of(completed("own"), source="test"), completed("clients"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    example = await take(api, dataset, "own")
    hinted = {"op": "edit", "message_id": "m0", "content": "Где заказ? доставка 3 дня"}
    answered = {"op": "edit", "message_id": "m3", "content": "доставка 3 дня"}
    assert (await patch(api, example, hinted, answered)).status_code == 200
    refused = await api.post(f"/v1/examples/{example}/save", headers={"Accept-Language": "ru"})
    finding = refused.json()["findings"][0]
    assert (refused.status_code, refused.json()["code"], refused.json()["message_id"]) == (
        422, "hint_left", "m0",
    )  # fmt: skip
    assert (finding["start"], finding["end"]) == (11, 25)
    narrowed = await patch(
        api, example, {"op": "hint", "message_id": "m0", "hint": [{"start": 20, "end": 25}]}
    )
    assert narrowed.json()["messages"][0]["hint"] == [{"start": 20, "end": 25}]
    restored = await patch(api, example, {"op": "restore", "message_id": "m0"})
    assert restored.json()["messages"][0]["content"] == "Где заказ?"
    assert (await api.post(f"/v1/examples/{example}/save")).status_code == 200
    clients = await take(api, dataset, "clients")
    corrected = await patch(api, clients, {"op": "edit", "message_id": "m0", "content": "Где мой заказ?"})
    assert "hint" not in corrected.json()["messages"][0]


async def test_arguments_are_checked_against_the_functions_schema(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, other_agent(), of(completed("d"), agent_id="other"))
    api = await dataset_svc.client()
    example = await take(api, await dataset_named(api, "other"), "d")
    call = {"op": "edit_call", "message_id": "m1", "call_id": "c1"}
    wrong = await patch(api, example, call | {"arguments": '{"order": "seven"}'})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "arguments_do_not_fit")
    assert (wrong.json()["field"], wrong.json()["places"]) == ("operations.0.arguments", ["order"])
    assert (await patch(api, example, call | {"arguments": '{"order": 8}'})).status_code == 200
    deleted = await patch(api, example, {"op": "delete", "message_id": "m1"})
    assert deleted.json()["orphaned"] == ["m2"]


async def test_save_and_removal_can_be_undone_and_said_again(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "d")
    url = f"/v1/examples/{example}"
    first = await api.post(f"{url}/save")
    assert first.json()["undo"]["href"] == first.links["undo"]["url"]
    assert (await undo(api, first)).json()["state"] == "undone"
    shown = (await api.get(url)).json()
    assert (shown["state"], shown["saved_revision"]) == ("draft", None)
    again = await undo(api, first)
    assert (again.status_code, again.json()["code"]) == (409, "not_undoable")
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "one"})
    one = await api.post(f"{url}/save")
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "two"})
    two = await api.post(f"{url}/save")
    assert [two.json()["saved_revision"], one.json()["saved_revision"]] == [3, 2]
    stale = await undo(api, one)
    assert (stale.status_code, stale.json()["code"]) == (409, "changed_since")
    assert (await undo(api, two)).status_code == 200
    shown = (await api.get(url)).json()
    assert (shown["saved_revision"], shown["unsaved_changes"]) == (2, True)
    removed = await api.delete(url)
    assert (removed.status_code, (await undo(api, removed)).json()["done"]) == (204, 1)
    assert (await api.get(url)).json()["state"] == "saved"
    await api.delete(url)
    assert (await api.post(f"{url}/restore")).json()["state"] == "saved"
    states = [one["state"] for one in await changed(surroundings, 8)]
    assert states == ["saved", "removed", "saved", "saved", "removed", "saved", "removed", "saved"]


async def test_revert_brings_back_any_revision_byte_for_byte(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "d")
    url = f"/v1/examples/{example}"
    original = (await api.get(url)).json()["messages"]
    inserted = {"id": "x", "role": "assistant", "content": "ok"}
    weight = {"op": "weight", "message_id": "m1", "weight": 0}
    await patch(api, example, weight, {"op": "insert", "after": "m4", "message": inserted})
    first = (await api.post(f"{url}/save")).json()["messages"]
    await patch(api, example, {"op": "delete", "message_id": "m1", "with_answers": True})
    await api.post(f"{url}/save")
    back = await api.post(f"{url}/revert", json={"revision": 1})
    assert (back.json()["messages"], back.json()["unsaved_changes"]) == (first, True)
    assert (await api.post(f"{url}/revert", json={"revision": 0})).json()["messages"] == original
    assert (await api.post(f"{url}/revert", json={"revision": 2})).json()["unsaved_changes"] is False
    assert (await api.post(f"{url}/revert", json={"revision": 9})).status_code == 404
    saved = (await api.get(f"{url}/revisions")).json()["items"]
    assert [(one["revision"], one["saved_by"]) for one in saved] == [(2, "dev-owner"), (1, "dev-owner")]


async def test_notes_and_tags_are_kept_and_are_no_unsaved_change(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("a"), completed("b"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    example, other = await take(api, dataset, "a"), await take(api, dataset, "b")
    await api.post(f"/v1/examples/{example}/save")
    labelled = await patch(
        api, example, {"op": "tags", "add": ["доставка", "b"]}, {"op": "note", "text": "see"}
    )
    assert (labelled.json()["tags"], labelled.json()["note"]) == (["b", "доставка"], "see")
    assert labelled.json()["unsaved_changes"] is False

    async def ids(**filters: Any) -> list[str]:
        found = (await api.get(f"/v1/datasets/{dataset}/examples", params=filters)).json()["items"]
        return [one["id"] for one in found]

    assert await ids(tag="доставка") == await ids(state="saved") == [example]
    assert await ids(unsaved=True) == await ids(state="draft") == [other]
    assert await ids(teaches="all", rating="none", source="live") == [other, example]
    assert await ids(changed_by="nobody") == await ids(rating="bad") == await ids(copied=True) == []
    assert await ids(dialog_id="b", changed_from="2020-01-01T00:00:00Z") == [other]
    gone = await patch(api, example, {"op": "tags", "remove": ["b"]})
    assert gone.json()["tags"] == ["доставка"]


async def test_a_dialog_that_went_on_offers_its_new_messages(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "d")
    url = f"/v1/examples/{example}"
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "corrected"})
    assert (await api.post(f"{url}/extend")).json()["code"] == "nothing_new"
    more = (message(5, "user"), message(6, "assistant"), message(7, "user"), message(8, "assistant"))
    await send(surroundings, completed("d", 2, InlineTranscript(messages=(*talk(), *more)), 9))

    async def offered() -> Any:
        return (await api.get(url)).json()["new_messages"]

    assert await until(offered) == 4
    longer = (await api.post(f"{url}/extend")).json()
    assert ([one["id"] for one in longer["messages"]][4:], longer["new_messages"]) == (
        ["m4", "m5", "m6", "m7", "m8"], 0,
    )  # fmt: skip
    assert (longer["messages"][3]["content"], longer["head"]) == ("corrected", {"teaches": 4, "answers": 4})
    assert (longer["origin_revision"], longer["messages"][8]["inserted"]) == (2, False)
    back = (await api.post(f"{url}/discard")).json()
    assert (len(back["messages"]), back["new_messages"]) == (9, 0)


async def test_a_copy_for_another_agent_keeps_its_lineage_and_goes_with_its_dialog(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), other_agent(), completed("d"))
    api = await dataset_svc.client()
    dataset, other = await dataset_of(api), await dataset_named(api, "other")
    example = await take(api, dataset, "d")
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "corrected"})
    await api.post(f"/v1/examples/{example}/save")
    wanted = {"from_example_id": example}
    made, again = [await api.post(f"/v1/datasets/{other}/examples", json=wanted) for _ in range(2)]
    assert (made.status_code, again.status_code, made.json()["id"]) == (201, 200, again.json()["id"])
    copy = (await api.get(f"/v1/examples/{made.json()['id']}")).json()
    assert copy["copied_from"] == {"example_id": example, "revision": 1, "dialog_id": "d"}
    assert (copy["messages"][3]["edited"], copy["dialog_id"], copy["state"]) == (True, None, "draft")
    await api.post(f"/v1/examples/{copy['id']}/save")
    same = await api.post(f"/v1/datasets/{dataset}/examples", json=wanted)
    assert (same.status_code, same.json()["code"]) == (422, "same_dataset")
    await send(surroundings, erased("d"))

    async def gone() -> bool:
        return (await api.get(f"/v1/examples/{copy['id']}")).status_code == 404

    await until(gone)
    async with surroundings.databases.connection(surroundings.database) as connection:
        assert await connection.fetchval("SELECT count(*) FROM dataset_svc.example_revisions") == 0


async def test_what_nobody_came_back_to_goes_but_not_what_a_version_holds(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    dialogs = [f"d{number}" for number in range(11)]
    await send(surroundings, agent(), *map(completed, dialogs))
    async with service(surroundings, "dataset-svc", tmp_path, keep_unsaved_days="30") as running:
        api = await running.client()
        dataset = await dataset_of(api)
        examples = [await take(api, dataset, dialog) for dialog in dialogs]
        for example in examples[:10]:
            await api.post(f"/v1/examples/{example}/save")
        frozen = (await api.post(f"/v1/datasets/{dataset}/versions", json={})).json()
        assert frozen["version"] == 1
        await api.delete(f"/v1/examples/{examples[0]}")
        async with surroundings.databases.connection(surroundings.database) as admin:
            aged = await admin.execute(
                "UPDATE dataset_svc.examples SET changed_at = now() - interval '31 days' "
                "WHERE state <> 'saved'"
            )
            assert aged == "UPDATE 2"
    async with service(surroundings, "dataset-svc", tmp_path, slot="2") as running:
        api = await running.client()

        async def gone() -> bool:
            answers = [await api.get(f"/v1/examples/{examples[n]}") for n in (0, 10)]
            return [one.status_code for one in answers] == [404, 404]

        await until(gone)
        assert (await api.get(f"/v1/examples/{examples[1]}")).json()["state"] == "saved"
        async with surroundings.databases.connection(surroundings.database) as admin:
            held = await admin.fetchval("SELECT count(*) FROM dataset_svc.example_revisions")
        assert held == 10
        first = (await api.get("/v1/audit")).json()["items"][0]
        assert (first["action"], first["subject"]) == ("example.expired", "mortarboard")


async def test_a_dialog_with_two_examples_leaves_the_dataset_with_the_last_one(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    first = completed("d1")
    await send(surroundings, agent(), first, of(first, revision=2, branch="b2"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    one, other = await take(api, dataset, "d1"), await take(api, dataset, "d1", revision=2)
    assert one != other
    for example in (one, other):
        assert (await api.post(f"/v1/examples/{example}/save")).status_code == 200
    await api.delete(f"/v1/examples/{other}")
    await api.delete(f"/v1/examples/{one}")
    told = [(event["state"], event["example_id"]) for event in await changed(surroundings, 4)]
    assert [state for state, _ in told] == ["saved", "saved", "saved", "removed"]
    assert told[2] == ("saved", one)


async def test_edits_are_undone_and_done_again_by_whoever_sees_them(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "d")
    url = f"/v1/examples/{example}"

    async def now() -> tuple[Any, ...]:
        shown = (await api.get(url)).json()
        (text,) = (one["content"] for one in shown["messages"] if one["id"] == "m3")
        return text, shown["note"], shown["undoable"], shown["redoable"]

    first, *_ = await now()
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "one"})
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "two"})
    await patch(api, example, {"op": "note", "text": "why"}, {"op": "delete", "message_id": "m0"})
    assert await now() == ("two", "why", True, False)
    await api.post(f"{url}/undo")
    assert await now() == ("two", "", True, True)
    stale = await api.post(f"{url}/undo", headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["changes"][0]["changes"][0]["op"]) == (412, "undo")
    assert [one["message_id"] for one in stale.json()["changes"][0]["changes"]] == ["m0"]
    await api.post(f"{url}/undo")
    await api.post(f"{url}/redo")
    assert (await now())[0] == "two"
    for _ in range(2):
        assert (await api.post(f"{url}/undo")).status_code == 200
    assert await now() == (first, "", False, True)
    none_left = await api.post(f"{url}/undo")
    assert (none_left.status_code, none_left.json()["code"]) == (409, "nothing_to_undo")

    await api.post(f"{url}/redo")
    saved = await api.post(f"{url}/save")
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "three"})
    back = (await api.post(f"{url}/undo")).json()
    assert (back["unsaved_changes"], back["saved_revision"]) == (False, saved.json()["saved_revision"])
    await api.post(f"{url}/redo")
    assert (await now())[0] == "three"
    shown = (await api.get(url, params={"original": "true"})).json()
    assert [one["content"] for one in shown["original"] if one["id"] == "m3"] == [first]


async def test_pseudonyms_end_the_way_back(surroundings: Surroundings, dataset_svc: Running) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "d")
    said = {"op": "edit", "message_id": "m3", "content": "Call +7 921 555-35-35"}
    await patch(api, example, said)
    wanted = {"code": "personal_data", "message_id": "m3", "fix": "pseudonymise"}
    fixed = await api.post(f"/v1/examples/{example}/fixes", json=wanted)
    assert fixed.json()["undoable"] is False
    await patch(api, example, {"op": "note", "text": "later"})
    assert (await api.post(f"/v1/examples/{example}/undo")).status_code == 200
    refused = await api.post(f"/v1/examples/{example}/undo")
    assert refused.json()["code"] == "nothing_to_undo"
    async with surroundings.databases.connection(surroundings.database) as connection:
        kept = await connection.fetch("SELECT before::text FROM dataset_svc.draft_changes")
    assert not any("555-35-35" in (row["before"] or "") for row in kept)
