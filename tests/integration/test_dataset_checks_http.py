"""Findings, fixes, dismissals, the split and versions as the console calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.stack.services import Surroundings
from tests.harness import Running, bodies, service, until
from tests.integration.test_dataset_svc import TRAIN, agent, dataset_of, key, send


@pytest.fixture
async def dataset_svc(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[Running]:
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        yield running


def talk(number: int, answer: str = "Soon") -> list[dict[str, Any]]:
    call = {"id": "c1", "function": {"name": "track", "arguments": '{"order": 7}'}}
    return [
        {"id": "m0", "role": "user", "content": f"Where is order {number}?"},
        {"id": "m1", "role": "assistant", "tool_calls": [call]},
        {"id": "m2", "role": "tool", "content": '{"days": 3}', "tool_call_id": "c1"},
        {"id": "m3", "role": "assistant", "content": answer},
    ]


async def make(api: httpx.AsyncClient, dataset: str, count: int) -> list[str]:
    made = []
    for number in range(count):
        answer = await api.post(f"/v1/datasets/{dataset}/examples", json={"messages": talk(number)})
        made.append(str(answer.json()["id"]))
        assert (await api.post(f"/v1/examples/{made[-1]}/save")).status_code == 200
    return made


async def checks(api: httpx.AsyncClient, dataset: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/v1/datasets/{dataset}/checks", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def answered(api: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, Any]:
    answer = await api.post(path, json=body)
    return answer.status_code, answer.json().get("code")


async def test_from_a_finding_to_its_fix_and_from_a_warning_to_its_dismissal(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    examples = await make(api, dataset, 3)
    assert await checks(api, dataset) == {
        "pending": 0,
        "ungrouped": 0,
        "counts": [],
        "items": [],
        "next_cursor": None,
    }

    url = f"/v1/examples/{examples[0]}"
    etag = (await api.get(url)).headers["ETag"]
    operations = [{"op": "edit", "message_id": "m3", "content": "As you hinted, soon. <|endoftext|>"}]
    await api.patch(url, json={"operations": operations}, headers={"If-Match": etag})
    assert await answered(api, f"{url}/save") == (422, "special_token")
    wanted = {"code": "special_token", "message_id": "m3", "fix": "delete_tokens", "save": True}
    fixed = await api.post(f"{url}/fixes", json=wanted)
    assert (fixed.status_code, fixed.json()["saved_revision"]) == (200, 2)
    assert fixed.json()["messages"][3]["content"] == "As you hinted, soon. "
    assert await answered(api, f"{url}/fixes", **wanted) == (404, "no_such_finding")
    stale = await api.post(f"{url}/fixes", json=wanted, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "example_changed")

    found = await checks(api, dataset)
    (count,) = found["counts"]
    assert (count["code"], count["examples"], count["dismissed"]) == ("answer_speaks_of_hint", 1, 0)
    ((finding,),) = [one["findings"] for one in found["items"]]
    assert (finding["message_id"], finding["field"], finding["severity"]) == ("m3", "content", "warning")
    dismiss = f"{url}/dismissals"
    assert await answered(api, dismiss, code="duplicate", why="x") == (404, "no_such_finding")
    assert (await answered(api, dismiss, code="answer_speaks_of_hint", why="he did"))[0] == 201
    found = await checks(api, dataset, severity="warning")
    assert found["counts"][0]["dismissed"] == 1
    assert found["items"][0]["findings"][0]["dismissed"]["why"] == "he did"
    assert await checks(api, dataset, example_id=examples[0]) == found
    other = await checks(api, dataset, example_id=examples[1])
    assert (other["counts"], other["items"]) == ([], [])
    assert (await api.delete(f"{dismiss}/answer_speaks_of_hint")).status_code == 204
    assert (await api.delete(f"{dismiss}/answer_speaks_of_hint")).status_code == 404

    audit = (await api.get("/v1/audit")).json()["items"]
    actions = {one["action"] for one in audit}
    assert {"example.fixed", "warning.dismissed", "warning.recalled"} <= actions
    assert "hinted" not in str(audit)


async def test_other_functions_block_until_they_are_mended_or_excluded(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(keys=(key(),)))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    examples = await make(api, dataset, 12)
    renamed = agent(2, keys=(key(),)).model_copy(update={"tools": ()})
    await send(surroundings, renamed)

    async def due() -> bool:
        return bool((await checks(api, dataset))["counts"])

    await until(due)
    blocked = await api.post(f"/v1/datasets/{dataset}/versions", json={})
    assert (blocked.status_code, blocked.json()["code"]) == (422, "errors_block_freezing")
    (error,) = blocked.json()["errors"]
    assert (error["code"], error["examples"], len(error["first"])) == ("function_unknown", 12, 10)
    assert (await checks(api, dataset, code="function_unknown", limit=5))["next_cursor"] is not None
    for example in examples[:11]:
        wanted = {"code": "function_unknown", "fix": "delete_call", "save": True}
        assert (await api.post(f"/v1/examples/{example}/fixes", json=wanted)).status_code == 200
    split = (await api.get(f"/v1/datasets/{dataset}/split", params={"exclude": examples[11]})).json()
    assert (split["training"]["examples"], split["needed"], split["enough"]) == (11, 10, True)
    body = {"exclude": [examples[11]]}
    frozen = await api.post(f"/v1/datasets/{dataset}/versions", json=body)
    assert (frozen.status_code, frozen.json()["examples"]) == (201, 11), frozen.text
    files = frozen.json()["manifest"]["files"]
    assert split["training"]["tokens"] == files["training"]["tokens"]

    async def train() -> Any:
        return await answered(api, f"/v1/datasets/{dataset}/versions/1/train")

    assert (await train())[0] == 202
    assert await train() == (409, "run_in_progress")
    (ready,) = await until(lambda: bodies(surroundings, "dataset.ready"))
    assert ready["files"]["training"]["examples"] == 11

    leave = {"code": "function_unknown", "fix": "leave_out"}
    gone = await api.post(f"/v1/examples/{examples[11]}/fixes", json=leave)
    assert (gone.status_code, gone.json()["state"]) == (200, "removed")
    again = await api.post(f"/v1/datasets/{dataset}/versions", json=TRAIN)
    assert again.status_code in (201, 202)
    diff = (await api.get(f"/v1/datasets/{dataset}/versions/1/diff/2")).json()
    assert diff["counts"] == {"added": 0, "removed": 0, "changed": 0, "moved": 0, "same": 11}
    assert diff["agent"] == {"from": 2, "to": 2, "prompt_changed": False, "functions_changed": False}
    assert (await api.get(f"/v1/datasets/{dataset}/versions/1/diff/9")).status_code == 404


async def test_a_freeze_right_after_many_saves_waits_for_their_checks(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent())
    # however slow the machine is: what is tested is that the call waits at all
    async with service(surroundings, "dataset-svc", tmp_path, freeze_wait="45") as dataset_svc:
        api = await dataset_svc.client()
        api.timeout = httpx.Timeout(60)
        dataset = await dataset_of(api)
        examples = await make(api, dataset, 60)
        await send(surroundings, agent(2).model_copy(update={"tools": ()}))
        bulk = {"ids": examples, "action": "save"}
        saving = await api.post(f"/v1/datasets/{dataset}/examples/bulk", json=bulk)
        assert saving.status_code in (200, 202)

        async def due() -> bool:
            found = await checks(api, dataset)
            return bool(found["counts"] and found["counts"][0]["code"] == "function_unknown")

        await until(due)
        await send(surroundings, agent(3))

        async def frozen() -> Any:
            answer = await api.post(f"/v1/datasets/{dataset}/versions", json={})
            assert answer.json().get("code") != "checks_pending"
            return answer.json() if answer.is_success else None

        assert (await until(frozen))["examples"] == 60


async def test_another_tenant_and_a_viewer_change_nothing(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api, viewer = await dataset_svc.client(), await dataset_svc.client(role="viewer")
    other = await dataset_svc.client("globex")
    dataset = await dataset_of(api)
    (example,) = await make(api, dataset, 1)
    fix = {"code": "duplicate", "fix": "leave_out"}
    for client, status in ((viewer, 403), (other, 404)):
        answers = [
            await client.post(f"/v1/examples/{example}/fixes", json=fix),
            await client.post(f"/v1/examples/{example}/dismissals", json={"code": "duplicate", "why": "x"}),
            await client.delete(f"/v1/examples/{example}/dismissals/duplicate"),
        ]
        assert [one.status_code for one in answers] == [status] * 3
    for path in ("checks", "split", "versions/1/diff/1"):
        assert (await other.get(f"/v1/datasets/{dataset}/{path}")).status_code == 404
    wrong = await api.get(f"/v1/datasets/{dataset}/split", params={"validation_share": 0.9})
    assert wrong.status_code == 422
    assert (await api.get(f"/v1/examples/{example}")).json()["state"] == "saved"


async def test_a_group_of_near_duplicates_is_looked_at_thinned_out_and_brought_back(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    words = " ".join(f"word{number}" for number in range(60))
    examples = []
    for ending in ("red", "blue", "green"):
        body = {"messages": talk(1, f"{words} {ending}")}
        examples.append((await api.post(f"/v1/datasets/{dataset}/examples", json=body)).json()["id"])
        await api.post(f"/v1/examples/{examples[-1]}/save")
    found = await checks(api, dataset, code="near_duplicate")
    assert [one["example_id"] for one in found["items"]] == sorted(examples)
    (finding,) = found["items"][0]["findings"]
    assert (finding["severity"], finding["fixes"]) == ("warning", ["keep_this", "leave_out"])
    assert sorted(finding["with"]) == sorted(set(examples) - {found["items"][0]["example_id"]})
    group = finding["facts"]["group"]
    listed = await api.get(f"/v1/datasets/{dataset}/examples", params={"group": group})
    assert sorted(one["id"] for one in listed.json()["items"]) == sorted(examples)
    summary = (await api.get(f"/v1/datasets/{dataset}/summary")).json()
    assert (summary["near_duplicate_groups"], summary["near_duplicates"]) == (1, 3)
    url = f"/v1/examples/{examples[1]}/fixes"
    wrong = await api.post(url, json={"code": "near_duplicate", "fix": "delete_hint"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "no_such_fix")
    kept = await api.post(url, json={"code": "near_duplicate", "fix": "keep_this"})
    assert kept.status_code == 200
    assert (await checks(api, dataset))["items"] == []
    again = await api.post(url, json={"code": "near_duplicate", "fix": "keep_this"})
    assert (again.status_code, again.json()["code"]) == (404, "no_such_finding")
    assert (await api.post(kept.json()["undo"]["href"])).status_code == 200
    assert len((await checks(api, dataset, code="near_duplicate"))["items"]) == 3
    told = (await api.get(f"{dataset_svc.ops}/retention")).json()["kinds"]
    # what was published is kept, too: how much of it is there by now is not told here
    assert {one["kind"]: one["rows"] > 0 for one in told if "published" not in one["kind"]} == {
        "audit": True, "drafts": False, "operations": True, "candidates": False, "steps": False,
    }  # fmt: skip


async def test_a_list_is_searched_and_filtered_by_what_was_found(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    said = [
        {"role": "user", "content": [{"type": "text", "text": "Где МОЙ заказ? Пишите на ivan@example.org"}]},
        {"role": "assistant", "content": "В пути."},
    ]
    first, second = await make(api, dataset, 2)
    written = (await api.post(f"/v1/datasets/{dataset}/examples", json={"messages": said})).json()["id"]
    assert (await api.post(f"/v1/examples/{written}/save")).status_code == 200
    tagged = {"ids": [first], "action": "add_tags", "tags": ["Особый"]}
    assert (await api.post(f"/v1/datasets/{dataset}/examples/bulk", json=tagged)).status_code == 200
    await checks(api, dataset)

    async def listed(**query: str) -> dict[str, str]:
        answer = await api.get(f"/v1/datasets/{dataset}/examples", params=query)
        return {one["id"]: one["opening"] for one in answer.json()["items"]}

    assert await listed(q="мой ЗАКАЗ") == {written: "Где МОЙ заказ? Пишите на ivan@example.org"}
    assert await listed(q="order 1?") == {second: "Where is order 1?"}
    assert set(await listed(q="особый")) == {first}
    assert await listed(q="assistant") == {}
    assert set(await listed(finding="personal_data")) == {written}
    meant = {"filter": {"finding": "personal_data"}, "action": "pseudonymise", "dry_run": True}
    counted = (await api.post(f"/v1/datasets/{dataset}/examples/bulk", json=meant)).json()
    assert (counted["count"], counted["kinds"]) == (1, {"email": {"examples": 1, "times": 1}})
    why = {"code": "personal_data", "why": "our own address"}
    assert (await api.post(f"/v1/examples/{written}/dismissals", json=why)).status_code == 201
    assert await listed(finding="personal_data") == {}
