"""Many examples at once, on real servers: bulk changes with undo, import, export."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dataset_svc.domain.message import dump
from deploy.stack.services import Surroundings
from tests.harness import Running, bodies, instance, service, until
from tests.integration.test_dataset_editor import dataset_named, other_agent
from tests.integration.test_dataset_intake import erased
from tests.integration.test_dataset_svc import agent, changed, completed, dataset_of, patch, send, take
from tests.shared_data import SHARED, dialogs, messages_of

GOOD = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}


@pytest.fixture
async def dataset_svc(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[Running]:
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        yield running


def lines(*given: Any) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in given)


async def imported(api: httpx.AsyncClient, dataset: str, body: bytes, **params: Any) -> dict[str, Any]:
    begun = await api.post(f"/v1/datasets/{dataset}/import", content=body, params=params)
    assert begun.status_code == 202, begun.text
    return await finished(api, begun.json()["id"])


async def finished(api: httpx.AsyncClient, operation: str) -> dict[str, Any]:
    async def over() -> Any:
        found = (await api.get(f"/v1/operations/{operation}")).json()
        return found if found["finished_at"] else None

    return dict(await until(over))


async def count(api: httpx.AsyncClient, dataset: str) -> int:
    summary = (await api.get(f"/v1/datasets/{dataset}/summary")).json()
    return int(summary["saved"] + summary["drafts"])


async def test_bulk_counts_changes_lists_what_failed_and_is_undone(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    await imported(api, dataset, lines(*[GOOD] * 59), state="draft")
    bad = {"messages": [{"role": "user", "content": "hi <|x|>"}, {"role": "assistant", "content": "a"}]}
    await imported(api, dataset, lines(bad), state="draft")
    url = f"/v1/datasets/{dataset}/examples/bulk"
    dry = await api.post(url, json={"filter": {"state": "draft"}, "action": "save", "dry_run": True})
    assert (dry.status_code, dry.json()["count"]) == (200, 60)
    begun = await api.post(url, json={"filter": {"state": "draft"}, "action": "save"})
    assert begun.status_code == 202
    saved = await finished(api, begun.json()["id"])
    assert (saved["state"], saved["total"], saved["done"], saved["failed"]) == ("done", 60, 59, 1)
    (failure,) = saved["failures"]
    assert (failure["code"], failure["field"]) == ("special_token", "content")
    examples = (await api.get(f"/v1/datasets/{dataset}/examples?state=saved&limit=200")).json()["items"]
    assert len(examples) == 59
    await patch(api, examples[0]["id"], {"op": "note", "text": "an edit that an undo of SAVE leaves alone"})
    await api.delete(f"/v1/examples/{examples[1]['id']}")
    assert (await api.post(saved["undo"])).status_code == 202
    undone = await finished(api, saved["id"])
    assert (undone["state"], undone["undone"], undone["kept"]) == ("undone", 58, 1)
    assert [one["code"] for one in undone["failures"]] == ["special_token", "changed_since"]
    rest = (await api.get(f"/v1/operations/{saved['id']}/failures?limit=1")).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (1, "1")
    operations = (await api.get(f"/v1/datasets/{dataset}/operations")).json()["items"]
    assert [one["action"] for one in operations] == ["remove", "save", "import", "import"]


async def test_a_few_examples_are_changed_within_the_call(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("a"), completed("b"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    ids = [await take(api, dataset, "a"), await take(api, dataset, "b")]
    url, unknown = f"/v1/datasets/{dataset}/examples/bulk", dataset

    async def bulk(**wanted: Any) -> dict[str, Any]:
        answer = await api.post(url, json=wanted)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    weighed = await bulk(ids=ids, action="set_weights", weight=0)
    assert weighed["done"] == 2
    heads = [one["teaches"] for one in (await api.get(f"/v1/datasets/{dataset}/examples")).json()["items"]]
    assert heads == [0, 0]
    assert (await api.post(weighed["undo"])).json()["undone"] == 2
    assert (await api.get(f"/v1/examples/{ids[0]}")).json()["head"] == {"teaches": 2, "answers": 2}
    tagged = await bulk(ids=[*ids, unknown], action="add_tags", tags=["vip"])
    assert (tagged["done"], tagged["failed"], tagged["failures"][0]["code"]) == (2, 1, "not_found")
    await bulk(filter={"tag": "vip"}, action="remove_tags", tags=["vip"])
    gone = await bulk(filter={}, action="remove")
    assert (gone["done"], await count(api, dataset)) == (2, 0)
    assert (await bulk(filter={}, action="restore"))["done"] == 2
    key = {"Idempotency-Key": "k"}
    first, second = [await api.post(url, json={"ids": ids, "action": "save"}, headers=key) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    viewer = await dataset_svc.client(role="viewer")
    assert (await viewer.post(url, json={"ids": ids, "action": "save"})).status_code == 403
    stranger = await dataset_svc.client("globex")
    assert (await stranger.post(url, json={"ids": ids, "action": "save"})).status_code == 404
    assert (await stranger.post(weighed["undo"] or f"/v1/operations/{gone['id']}/undo")).status_code == 404


async def test_an_import_names_each_bad_line_and_takes_all_or_what_is_good(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    call = {"id": "c", "type": "function", "function": {"name": "track", "arguments": "{}"}}
    tools = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]}]}
    nulls = {"messages": [{"role": "user", "content": "?", "name": None},
                          {"role": "assistant", "content": "a", "refusal": None, "weight": 1}]}  # fmt: skip
    empty = await api.post(f"/v1/datasets/{dataset}/import", content=b"")
    assert (empty.status_code, empty.json()["code"]) == (422, "upload_empty")
    body = lines(
        GOOD, b"{", {"messages": []}, b"", {"messages": [{"role": "user", "content": "only"}]}, tools,
        {"messages": [{"role": "user", "content": "?"}, {"role": "function", "content": "x"}]}, nulls,
        b'{"messages": "\xff"}',
    )  # fmt: skip
    codes = [
        (2, "not_json"), (3, "invalid_line"), (5, "no_trained_answer"), (7, "invalid_line"), (9, "not_json"),
    ]  # fmt: skip
    all_or_nothing = await imported(api, dataset, body)
    assert (all_or_nothing["state"], all_or_nothing["failed"], await count(api, dataset)) == ("refused", 5, 0)
    assert [(one["line"], one["code"]) for one in all_or_nothing["failures"]] == codes
    assert all_or_nothing["undo"] is None
    best = await imported(api, dataset, body, mode="best_effort")
    assert (best["state"], best["total"], best["done"], best["failed"]) == ("done", 9, 3, 5)
    assert [(one["line"], one["code"]) for one in best["failures"]] == codes
    assert (await count(api, dataset), list(surroundings.objects.rglob("imports/*"))) == (3, [])
    assert (await api.post(best["undo"])).json()["undone"] == 3
    assert await count(api, dataset) == 0
    array = await imported(api, dataset, json.dumps([GOOD, {}]).encode(), mode="best_effort", format="json")
    assert (array["done"], [one["line"] for one in array["failures"]]) == (1, [2])
    assert (await api.post(array["undo"])).json()["undone"] == 1
    broken = await api.post(f"/v1/datasets/{dataset}/import", content=json.dumps([GOOD])[:-1].encode())
    assert (broken.status_code, broken.json()["code"]) == (422, "not_json")
    whole = await imported(api, dataset, lines(*[GOOD] * 1_100))
    assert (whole["state"], whole["done"], await count(api, dataset)) == ("done", 1_100, 1_100)


async def test_all_or_nothing_takes_back_what_it_stored_before_a_repeat_far_below(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    same = {**GOOD, "dialog_id": "d"}
    refused = await imported(api, dataset, lines(same, *[GOOD] * 1_100, same), format="json")
    assert (refused["state"], refused["undo"], await count(api, dataset)) == ("refused", None, 0)
    assert (refused["failed"], refused["done"], refused["undone"], refused["kept"]) == (1, 1_000, 1_000, 0)
    assert [(one["line"], one["code"]) for one in refused["failures"]] == [(1_102, "already_in_dataset")]
    assert list(surroundings.objects.rglob("imports/*")) == []
    assert [one["state"] for one in await changed(surroundings, 2)] == ["saved", "removed"]


async def test_what_is_exported_comes_back_as_it_was(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"), completed("e"), completed("f"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    saved, draft = await take(api, dataset, "d"), await take(api, dataset, "e")
    await patch(api, saved, {"op": "edit", "message_id": "m3", "content": "исправлено"},
                {"op": "tags", "add": ["t"]})  # fmt: skip
    await api.post(f"/v1/examples/{saved}/save")
    await patch(api, saved, {"op": "note", "text": "n"}, {"op": "delete", "message_id": "m4"})
    before = [(await api.get(f"/v1/examples/{one}")).json() for one in (saved, draft)]
    url = f"/v1/datasets/{dataset}/export"
    openai = (await api.get(url)).content
    (line,) = [json.loads(one) for one in openai.splitlines()]
    assert (line["messages"][0]["content"], line["messages"][4]["content"]) == ("Ты помощник", "исправлено")
    assert line["tools"][0]["function"]["name"] == "track"
    full = (await api.get(url, params={"format": "json"})).content
    await api.post(f"/v1/datasets/{dataset}/examples/bulk", json={"filter": {}, "action": "remove"})
    taken = await imported(api, dataset, full, format="json", mode="best_effort")
    assert {one["code"] for one in taken["failures"]} == {"already_in_dataset"}
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("DELETE FROM dataset_svc.examples; DELETE FROM dataset_svc.example_revisions")
    assert (await imported(api, dataset, full, format="json"))["done"] == 2
    items = (await api.get(f"/v1/datasets/{dataset}/examples")).json()["items"]
    after = [(await api.get(f"/v1/examples/{one['id']}")).json() for one in reversed(items)]
    same = ("messages", "head", "state", "tags", "note", "dialog_id", "unsaved_changes", "source", "findings")
    assert [{name: one[name] for name in same} for one in after] == [
        {name: one[name] for name in same} for one in before
    ]
    assert (await api.get(url)).content == openai
    await send(surroundings, erased("d"), erased("f"))

    async def gone() -> bool:
        return (await count(api, dataset)) == 1

    await until(gone)
    back = await imported(api, dataset, full, format="json", mode="best_effort")
    assert [one["code"] for one in back["failures"]] == ["dialog_erased", "already_in_dataset"]
    again = [one["state"] for one in await bodies(surroundings, "dataset.changed") if one["dialog_id"] == "d"]
    assert again[-1] == "removed"


async def test_an_openai_file_goes_from_one_agent_to_another(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), other_agent(), completed("d"))
    api = await dataset_svc.client()
    dataset, other = await dataset_of(api), await dataset_named(api, "other")
    await api.post(f"/v1/examples/{await take(api, dataset, 'd')}/save")
    file = (await api.get(f"/v1/datasets/{dataset}/export")).content
    assert (await imported(api, other, file))["done"] == 1
    (line,) = (await api.get(f"/v1/datasets/{other}/export")).content.splitlines()
    assert json.loads(line)["messages"][1:] == json.loads(file)["messages"][1:]
    assert json.loads(line)["messages"][0] == {"role": "system", "content": "p"}


async def test_a_copy_that_comes_back_goes_with_the_dialog_that_it_came_of(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), other_agent(), completed("d"), completed("e"))
    api = await dataset_svc.client()
    dataset, other = await dataset_of(api), await dataset_named(api, "other")
    for dialog in ("d", "e"):
        wanted = {"from_example_id": await take(api, dataset, dialog)}
        made = await api.post(f"/v1/datasets/{other}/examples", json=wanted)
        assert (await api.post(f"/v1/examples/{made.json()['id']}/save")).status_code == 200
    file = (await api.get(f"/v1/datasets/{other}/export?format=json")).content
    assert [json.loads(one)["copied_dialog_id"] for one in file.splitlines()] == ["d", "e"]
    await api.post(f"/v1/datasets/{other}/examples/bulk", json={"filter": {}, "action": "remove"})
    assert (await imported(api, other, file, format="json"))["done"] == 2
    await send(surroundings, erased("d"))

    async def gone() -> bool:
        return (await count(api, other)) == 1

    await until(gone)
    async with surroundings.databases.connection(surroundings.database) as admin:
        left = await admin.fetch("SELECT dialog_id FROM dataset_svc.example_revisions")
    assert {row["dialog_id"] for row in left} == {"e"}
    again = await imported(api, other, file, format="json", mode="best_effort")
    assert (again["done"], [(one["line"], one["code"]) for one in again["failures"]]) == (
        1, [(1, "dialog_erased")],
    )  # fmt: skip


async def test_a_half_uploaded_import_leaves_nothing(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    place = urlsplit(dataset_svc.url)
    with socket.create_connection((place.hostname, place.port)) as raw:
        bearer = api.headers["Authorization"]
        head = (
            f"POST /v1/datasets/{dataset}/import HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n"
            f"Content-Length: 1000000\r\n\r\n"
        )
        raw.sendall(head.encode() + lines(*[GOOD] * 100))

    async def noticed() -> bool:
        metrics = (await api.get(f"{dataset_svc.ops}/metrics")).text.splitlines()
        return any("seconds_count" in one and "/import" in one and '"400"' in one for one in metrics)

    await until(noticed)
    assert (await api.get(f"/v1/datasets/{dataset}/operations")).json()["items"] == []
    assert (await count(api, dataset), list(surroundings.objects.rglob("imports/*"))) == (0, [])


async def test_an_import_that_cannot_begin_leaves_no_file(surroundings: Surroundings, tmp_path: Path) -> None:
    await send(surroundings, agent())
    async with service(surroundings, "dataset-svc", tmp_path, parts="http,consumers") as front:
        api = await front.client()
        url = f"/v1/datasets/{await dataset_of(api)}/import"
        async with surroundings.databases.connection(surroundings.database) as admin:
            await admin.execute("ALTER TABLE dataset_svc.operations RENAME TO elsewhere")
        assert (await api.post(url, content=lines(GOOD))).status_code == 500
        assert list(surroundings.objects.rglob("imports/*")) == []
        async with surroundings.databases.connection(surroundings.database) as admin:
            await admin.execute("ALTER TABLE dataset_svc.elsewhere RENAME TO operations")
        assert (await api.post(url, content=lines(GOOD))).status_code == 202
        assert len(list(surroundings.objects.rglob("imports/*"))) == 1


async def test_an_import_that_crashed_goes_on_where_it_was(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent())
    async with service(surroundings, "dataset-svc", tmp_path, parts="http,consumers") as front:
        api = await front.client()
        dataset = await dataset_of(api)
        body = lines(*[GOOD] * 3_000, b"{")
        begun = (await api.post(f"/v1/datasets/{dataset}/import?mode=best_effort", content=body)).json()

        async def storing() -> bool:
            return await count(api, dataset) > 0

        crashed = instance(surroundings, "dataset-svc", tmp_path, "2", parts="workers")
        crashed.start()
        await until(storing)
        crashed.stop(9)
        async with surroundings.databases.connection(surroundings.database) as admin:
            await admin.execute("UPDATE dataset_svc.operations SET served_at = now()")  # its claim is over
        async with service(surroundings, "dataset-svc", tmp_path, slot="3", parts="workers"):
            done = await finished(api, begun["id"])
        assert (done["done"], done["failed"], await count(api, dataset)) == (3_000, 1, 3_000)


@pytest.mark.sgd
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data beside the checkout")
async def test_all_real_dialogs_are_imported_and_exported_unchanged(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, other_agent())
    api = await dataset_svc.client()
    dataset = await dataset_named(api, "other")
    given = [[without_ids(one) for one in dump(messages_of(dialog))] for dialog in dialogs()]
    taken = await imported(api, dataset, lines(*({"messages": one} for one in given)))
    assert (taken["state"], taken["done"], taken["failed"]) == ("done", 1_220, 0)
    exported = (await api.get(f"/v1/datasets/{dataset}/export")).content.splitlines()
    prompt = {"role": "system", "content": "p"}
    weighed = [
        [prompt, *({**one, "weight": 1} if one["role"] == "assistant" else one for one in messages)]
        for messages in given
    ]
    found = [json.loads(line)["messages"] for line in exported]
    assert sorted(map(json.dumps, map(sort_keys, found))) == sorted(map(json.dumps, map(sort_keys, weighed)))


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in {"id", "at", "author", "model"}}


def sort_keys(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(sorted(one.items())) for one in messages]
