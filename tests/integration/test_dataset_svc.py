"""dataset-svc on real Kafka and PostgreSQL: from a dialog to a frozen file and a request to train."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from contracts.agents import AgentUpdated, ProviderKey, Tool
from contracts.chat import FunctionCall, ToolCall
from contracts.dialogs import (
    DialogCompleted,
    DialogErased,
    DialogRated,
    InlineTranscript,
    SameTranscript,
    StoredTranscript,
    TranscriptMessage,
)
from contracts.fingerprint import prompt_fingerprint
from contracts.training import TrainingStatus
from deploy.simulator.validate import validate_file
from deploy.stack.services import Surroundings
from tests.harness import Running, bodies, now, publish, publisher, service, until

KEY = str(uuid4())
TRAIN = {"train": {"confirm_warnings": True}}  # the dialogs of these tests are all the same
TOOLS = ({"type": "function", "function": {"name": "track", "parameters": {"type": "object"}}},)


def message(number: int, role: str, content: str | None = "", **more: Any) -> TranscriptMessage:
    text = f"text {number}" if content == "" else content
    return TranscriptMessage(id=f"m{number}", role=role, content=text, at=now(), **more)


def talk() -> tuple[TranscriptMessage, ...]:
    """Question, call, answer of the function, answer, thanks: two answers of the model."""
    call = ToolCall(id="c1", function=FunctionCall(name="track", arguments='{"order": 7}'))
    return (
        message(0, "user", "Где заказ?"),
        message(1, "assistant", None, author="model", tool_calls=(call,)),
        message(2, "tool", '{"days": 3}', tool_call_id="c1"),
        message(3, "assistant", "Скоро", author="model"),
        message(4, "user", "Спасибо"),
    )


def completed(dialog: str, revision: int = 1, transcript: Any = None, count: int = 5) -> DialogCompleted:
    return DialogCompleted(
        dialog_id=dialog,
        agent_id="shop",
        revision=revision,
        reason="selected",
        open=True,
        source="live",
        started_at=now(),
        ended_at=now(),
        message_count=count,
        transcript=transcript or InlineTranscript(messages=talk()),
    )


def agent(version: int = 1, prompt: str = "Ты помощник", keys: tuple[ProviderKey, ...] = ()) -> AgentUpdated:
    tools = tuple(Tool.model_validate(tool) for tool in TOOLS)
    return AgentUpdated(
        agent_id="shop",
        version=version,
        name="Shop",
        prompt=prompt,
        tools=tools,
        parallel_tool_calls=False,
        fingerprint=prompt_fingerprint(prompt, tools),
        base_model="gpt-4o-mini-2024-07-18",
        provider="openai",
        idle_seconds=60,
        recorded_by="backend",
        keys=keys,
    )


def key(training: str = "unverified") -> ProviderKey:
    return ProviderKey(
        key_id=KEY,
        version=1,
        provider="openai",
        last4="abcd",
        fingerprint="f",
        training=training,
        infer="yes",
    )


@pytest.fixture
async def dataset_svc(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[Running]:
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        yield running


async def send(surroundings: Surroundings, *events: Any, tenant: str = "acme", **more: Any) -> None:
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events, tenant=tenant, **more)


async def dataset_of(api: httpx.AsyncClient) -> str:
    async def there() -> Any:
        return (await api.get("/v1/datasets", params={"agent_id": "shop"})).json()["items"]

    (found,) = await until(there)
    return str(found["id"])


async def take(api: httpx.AsyncClient, dataset: str, dialog: str, revision: int = 1) -> str:
    """The id of the dialog's example, once its revision has arrived."""

    async def opened() -> Any:
        answer = await api.post(
            f"/v1/datasets/{dataset}/examples", json={"dialog_id": dialog, "revision": revision}
        )
        return answer.json()["id"] if answer.status_code in (200, 201) else None

    return str(await until(opened))


async def patch(api: httpx.AsyncClient, example: str, *operations: dict[str, Any]) -> httpx.Response:
    etag = (await api.get(f"/v1/examples/{example}")).headers["ETag"]
    return await api.patch(
        f"/v1/examples/{example}", json={"operations": operations}, headers={"If-Match": etag}
    )


async def changed(surroundings: Surroundings, count: int) -> list[dict[str, Any]]:
    async def enough() -> Any:
        found = await bodies(surroundings, "dataset.changed")
        return found if len(found) >= count else None

    return list(await until(enough))


async def test_from_dialogs_to_a_frozen_file_and_a_request_to_train(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    dialogs = [f"d{number}" for number in range(10)]
    events = [agent(2, keys=(key(),)), agent(1, prompt="old"), *map(completed, dialogs)]
    await send(surroundings, *events)
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    examples = [await take(api, dataset, dialog) for dialog in dialogs]
    fixed = await patch(
        api, examples[0], {"op": "edit", "message_id": "m3", "content": "Через 3 дня"},
        {"op": "weight", "message_id": "m1", "weight": 0},
    )  # fmt: skip
    assert fixed.json()["head"] == {"teaches": 1, "answers": 2}
    for example in examples[:9]:
        assert (await api.post(f"/v1/examples/{example}/save")).status_code == 200
    few = await api.post(f"/v1/datasets/{dataset}/versions", json={})
    assert (few.status_code, few.json()["code"], few.json()["saved"]) == (422, "too_few_examples", 9)
    assert (await api.post(f"/v1/examples/{examples[9]}/save")).json()["saved_revision"] == 1
    told = await changed(surroundings, 10)
    assert {(one["dialog_id"], one["state"]) for one in told} == {(dialog, "saved") for dialog in dialogs}

    frozen = await api.post(f"/v1/datasets/{dataset}/versions", json={})
    assert frozen.status_code == 201, frozen.text
    assert (frozen.json()["state"], frozen.json()["agent_version"]) == ("ready", 2)
    file = frozen.json()["manifest"]["files"]["training"]
    path = surroundings.objects / file["uri"]
    body = path.read_bytes()
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (file["sha256"], file["bytes"])
    report = validate_file(path)
    assert (report.examples, report.problem) == (10, None)
    lines = [json.loads(line) for line in body.splitlines()]
    assert [set(line) for line in lines] == [{"messages", "tools", "parallel_tool_calls"}] * 10
    assert lines[0]["messages"] == [
        {"role": "system", "content": "Ты помощник"},
        {"role": "user", "content": "Где заказ?"},
        {"role": "assistant", "tool_calls": lines[1]["messages"][2]["tool_calls"], "weight": 0},
        {"role": "tool", "content": '{"days": 3}', "tool_call_id": "c1"},
        {"role": "assistant", "content": "Через 3 дня", "weight": 1},
    ]
    assert [one.get("weight") for one in lines[1]["messages"]] == [None, None, 1, None, 1]

    headers = {"Idempotency-Key": "once"}
    wanted = {"hyperparameters": {"n_epochs": 3}, "suffix": "shop", "budget": 5_000_000}
    unconfirmed = await api.post(f"/v1/datasets/{dataset}/versions/1/train", json=wanted)
    assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (409, "warnings_unconfirmed")
    assert [(one["code"], one["examples"]) for one in unconfirmed.json()["warnings"]] == [("duplicate", 9)]
    wanted["confirm_warnings"] = True
    url = f"/v1/datasets/{dataset}/versions/1/train"
    first, again = [await api.post(url, json=wanted, headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()) == (202, again.json())
    busy = await api.post(url, json=wanted)
    assert (busy.status_code, busy.json()["code"]) == (409, "run_in_progress")
    assert busy.json()["run_id"] == first.json()["run_id"]
    (ready,) = await until(lambda: bodies(surroundings, "dataset.ready"))
    assert ready["run_id"] == first.json()["run_id"]
    assert (ready["key_id"], ready["provider"], ready["hyperparameters"]) == (KEY, "openai", {"n_epochs": 3})
    assert ready["files"]["training"] == file
    assert ready["budget_microdollars"] == 5_000_000

    await send(surroundings, run_status(ready, "failed"))

    async def retried() -> Any:
        answer = await api.post(url, json=wanted)
        return answer if answer.status_code == 202 else None

    assert (await until(retried)).json()["run_id"] != ready["run_id"]


def run_status(ready: dict[str, Any], status: Any) -> TrainingStatus:
    same = {name: ready[name] for name in TrainingStatus.model_fields if name in ready}
    return TrainingStatus(**same, status=status, step="following")


async def test_freeze_with_train_answers_with_a_run_id_at_once_and_is_published(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), *(completed(f"d{number}") for number in range(10)))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    for number in range(10):
        await api.post(f"/v1/examples/{await take(api, dataset, f'd{number}')}/save")
    keyless = await api.post(f"/v1/datasets/{dataset}/versions", json=TRAIN)
    assert (keyless.status_code, keyless.json()["code"]) == (409, "no_provider_key")
    assert (await api.get(f"/v1/datasets/{dataset}/versions")).json()["items"] == []
    await send(surroundings, agent(keys=(key("no"),)))

    async def code() -> Any:
        answer = await api.post(f"/v1/datasets/{dataset}/versions", json=TRAIN)
        return answer.json().get("code") == "key_cannot_train"

    await until(code)
    await send(surroundings, agent(keys=(key("yes"),)))

    async def accepted() -> Any:
        answer = await api.post(f"/v1/datasets/{dataset}/versions", json=TRAIN)
        return answer if answer.is_success else None

    answer = await until(accepted)
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    (ready,) = await until(lambda: bodies(surroundings, "dataset.ready"))
    assert (ready["run_id"], ready["version"]) == (run_id, 1)
    editor = await dataset_svc.client(role="editor")
    assert (await editor.post(f"/v1/datasets/{dataset}/versions", json=TRAIN)).status_code == 403


async def test_a_freeze_that_crashed_is_finished_by_another_process(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent(keys=(key(),)), *(completed(f"d{number}") for number in range(10)))
    # nobody writes the file: a request that waited for it would never be answered
    parts = {"parts": "http,consumers", "freeze_wait": "3600"}
    async with service(surroundings, "dataset-svc", tmp_path, **parts) as without_workers:
        api = await without_workers.client()
        dataset = await dataset_of(api)
        for number in range(10):
            await api.post(f"/v1/examples/{await take(api, dataset, f'd{number}')}/save")
        begun = await api.post(f"/v1/datasets/{dataset}/versions", json=TRAIN)
        assert (begun.status_code, begun.json()["state"]) == (202, "freezing")
        async with surroundings.databases.connection(surroundings.database) as admin:
            claimed = await admin.execute(
                "UPDATE dataset_svc.dataset_versions "
                "SET epoch = 1, claimed_until = now() + interval '1 second'"
            )
            assert claimed == "UPDATE 1"
        assert await bodies(surroundings, "dataset.ready") == []
        async with service(surroundings, "dataset-svc", tmp_path, slot="2", parts="workers"):
            (ready,) = await until(lambda: bodies(surroundings, "dataset.ready"))
        version = (await api.get(f"/v1/datasets/{dataset}/versions/1")).json()
    assert ready["run_id"] == begun.json()["run_id"]
    assert (version["state"], version["manifest"]["files"]["training"]) == (
        "ready",
        ready["files"]["training"],
    )
    assert ready["files"]["training"]["uri"].endswith("/v1-2.jsonl")


async def test_the_cap_waits_for_its_revision_and_is_idempotent(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    url, wanted = f"/v1/datasets/{dataset}/examples", {"dialog_id": "late", "revision": 2}
    first, again = [await api.post(url, json=wanted) for _ in range(2)]
    assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
    example = f"/v1/examples/{first.json()['id']}"
    assert (await api.get(example)).status_code == 202
    short = InlineTranscript(messages=talk()[:1])
    await send(surroundings, completed("late", 1, short, 1), completed("late", 2))
    await send(surroundings, completed("late", 3, SameTranscript(same_as=2)))

    async def filled() -> Any:
        answer = await api.get(example)
        return answer.json() if answer.status_code == 200 else None

    assert len((await until(filled))["messages"]) == 5
    existing = await api.post(url, json=wanted)
    assert (existing.status_code, existing.json()["existing"]) == (200, True)
    assert existing.json()["id"] == first.json()["id"]


async def test_a_stored_transcript_is_read_when_it_is_needed(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    body = InlineTranscript(messages=talk()).model_dump_json(exclude_none=True).encode()
    uri = "tenants/acme/transcripts/big.json"
    (surroundings.objects / uri).parent.mkdir(parents=True)
    (surroundings.objects / uri).write_bytes(body)
    digest = hashlib.sha256(body).hexdigest()
    stored = StoredTranscript(uri=uri, sha256=digest, bytes=len(body))
    foreign = StoredTranscript(uri="tenants/globex/x.json", sha256=digest, bytes=len(body))
    await send(surroundings, agent(), completed("spied", 1, foreign), completed("big", 1, stored))
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "big")
    assert len((await api.get(f"/v1/examples/{example}")).json()["messages"]) == 5
    (letter,) = await until(lambda: bodies(surroundings, "dialog.completed.dataset-svc.dlt"))
    assert letter


async def test_a_bad_dialog_teaches_only_what_was_corrected(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    bad = DialogRated(dialog_id="bad", revision=1, rating="bad", by="client")
    await send(surroundings, agent(), completed("bad"), bad)
    api = await dataset_svc.client()
    example = await take(api, await dataset_of(api), "bad")

    async def rated() -> bool:
        return bool((await api.get(f"/v1/examples/{example}")).json()["head"]["teaches"] == 0)

    await until(rated)
    refused = await api.post(f"/v1/examples/{example}/save")
    assert (refused.status_code, refused.json()["code"]) == (422, "no_trained_answer")
    fixed = await patch(api, example, {"op": "edit", "message_id": "m3", "content": "Через 3 дня"})
    assert fixed.json()["head"] == {"teaches": 1, "answers": 2}
    assert (await api.post(f"/v1/examples/{example}/save")).status_code == 200
    summary = (await api.get(f"/v1/datasets/{fixed.json()['dataset_id']}/summary")).json()
    assert (summary["saved"], summary["teaches"], summary["answers"]) == (1, 1, 2)


async def test_messages_written_by_hand_make_an_example_without_a_dialog(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent())
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    written = [{"role": "user", "content": "hi <|endoftext|>"}, {"role": "assistant", "content": "hello"}]
    made = await api.post(f"/v1/datasets/{dataset}/examples", json={"messages": written})
    assert (made.status_code, made.json()["dialog_id"]) == (201, None)
    example = made.json()["id"]
    (found,) = (await api.get(f"/v1/datasets/{dataset}/checks")).json()["items"]
    (finding,) = found["findings"]
    assert (found["example_id"], finding["code"], finding["start"]) == (example, "special_token", 3)
    edit = {"op": "edit", "message_id": finding["message_id"], "content": "hi"}
    assert (await patch(api, example, edit)).json()["findings"] == []
    insert = {"op": "insert", "after": None, "message": {"role": "assistant", "content": "Welcome"}}
    assert (await patch(api, example, insert)).json()["head"] == {"teaches": 2, "answers": 2}
    assert (await api.post(f"/v1/examples/{example}/save")).json()["saved_revision"] == 1
    assert await bodies(surroundings, "dataset.changed") == []
    wrong = {"messages": [{"role": "user", "content": "a\u0000b", "extra": 1}], "dialog_id": "d"}
    assert (await api.post(f"/v1/datasets/{dataset}/examples", json=wrong)).status_code == 422


async def test_a_stale_editor_learns_who_changed_what(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    owner, editor = await dataset_svc.client(), await dataset_svc.client(role="editor")
    example = await take(owner, await dataset_of(owner), "d")
    url = f"/v1/examples/{example}"
    etag = (await owner.get(url)).headers["ETag"]
    edit = {"operations": [{"op": "edit", "message_id": "m3", "content": "А"}]}
    answers = await asyncio.gather(
        *(one.patch(url, json=edit, headers={"If-Match": etag}) for one in (owner, editor))
    )
    assert sorted(one.status_code for one in answers) == [200, 412]
    problem = next(one.json() for one in answers if one.status_code == 412)
    winner = "dev-owner" if answers[0].status_code == 200 else "dev-editor"
    (change,) = problem["changes"]
    assert (change["by"], change["changes"]) == (winner, [{"op": "edit", "message_id": "m3"}])
    assert (await owner.patch(url, json=edit)).status_code == 428
    wrong = await patch(owner, example, {"op": "edit", "message_id": "m3", "content": "Б"},
                        {"op": "delete", "message_id": "nope"})  # fmt: skip
    assert (wrong.status_code, wrong.json()["field"]) == (422, "operations.1.message_id")
    assert (await owner.get(url)).json()["messages"][3]["content"] == "А"


async def test_discard_and_removal_follow_what_was_saved(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    example = await take(api, dataset, "d")
    url = f"/v1/examples/{example}"
    await patch(api, example, {"op": "edit", "message_id": "m3", "content": "saved"})
    assert (await api.post(f"{url}/save")).json()["unsaved_changes"] is False
    orphaned = await patch(api, example, {"op": "delete", "message_id": "m1"})
    assert orphaned.json()["unsaved_changes"] is True
    refused = await api.post(f"{url}/save")
    assert (refused.json()["code"], refused.json()["message_id"]) == ("tool_answer_without_call", "m2")
    back = (await api.post(f"{url}/discard")).json()
    assert ([one["id"] for one in back["messages"]], back["unsaved_changes"]) == (
        ["m0", "m1", "m2", "m3", "m4"],
        False,
    )
    assert back["messages"][3]["content"] == "saved"
    assert (await api.delete(url)).status_code == 204
    assert [one["state"] for one in await changed(surroundings, 2)] == ["saved", "removed"]
    assert (await api.get(f"/v1/datasets/{dataset}/examples")).json()["items"] == []
    assert await take(api, dataset, "d") == example
    assert (await api.get(url)).json()["state"] == "draft"
    assert [one["revision"] for one in (await api.get(f"{url}/revisions")).json()["items"]] == [1]
    noted = [one["action"] for one in (await api.get("/v1/audit")).json()["items"]]
    actions = [one for one in noted if one != "example.awaited"]  # the cap may come before the dialog
    assert actions == ["example.reopened", "example.removed", "example.discarded", "example.edited",
                       "example.saved", "example.edited", "example.opened"]  # fmt: skip


async def test_an_erased_dialog_is_forgotten_and_stays_so(
    surroundings: Surroundings, dataset_svc: Running
) -> None:
    await send(surroundings, agent(), completed("d"))
    api = await dataset_svc.client()
    dataset = await dataset_of(api)
    example = await take(api, dataset, "d")
    await api.post(f"/v1/examples/{example}/save")
    erased = DialogErased(dialog_id="d", agent_id="shop", requested_at=now(), reason="asked")
    await send(surroundings, erased, completed("d", 2))
    assert [one["state"] for one in await changed(surroundings, 2)] == ["saved", "removed"]
    assert (await api.get(f"/v1/examples/{example}")).status_code == 404
    gone = await api.post(f"/v1/datasets/{dataset}/examples", json={"dialog_id": "d", "revision": 1})
    assert (gone.status_code, gone.json()["code"]) == (410, "dialog_erased")


async def test_another_tenants_things_are_not_there(surroundings: Surroundings, dataset_svc: Running) -> None:
    await send(surroundings, agent(), completed("d"))
    await send(surroundings, agent(), completed("d"), tenant="globex")
    own, other = await dataset_svc.client("acme"), await dataset_svc.client("globex")
    dataset, foreign = await dataset_of(own), await dataset_of(other)
    assert dataset != foreign
    example = await take(own, dataset, "d")
    await own.post(f"/v1/examples/{example}/save")
    asked = [
        await other.get(f"/v1/examples/{example}"),
        await other.patch(f"/v1/examples/{example}", headers={"If-Match": '"1"'},
                          json={"operations": [{"op": "delete", "message_id": "m0"}]}),
        await other.post(f"/v1/examples/{example}/save"),
        await other.post(f"/v1/examples/{example}/discard"),
        await other.delete(f"/v1/examples/{example}"),
        await other.get(f"/v1/examples/{example}/revisions"),
        await other.get(f"/v1/datasets/{dataset}/summary"),
        await other.get(f"/v1/datasets/{dataset}/checks"),
        await other.get(f"/v1/datasets/{dataset}/examples"),
        await other.post(f"/v1/datasets/{dataset}/examples", json={"dialog_id": "d", "revision": 1}),
        await other.post(f"/v1/datasets/{dataset}/versions", json={}),
        await other.get(f"/v1/datasets/{dataset}/versions"),
        await other.get(f"/v1/datasets/{dataset}/versions/1"),
        await other.post(f"/v1/datasets/{dataset}/versions/1/train", json={}),
    ]  # fmt: skip
    assert {one.status_code for one in asked} == {404}
    assert (await other.get("/v1/audit")).json()["items"] == []
    viewer = await dataset_svc.client(role="viewer")
    assert (await viewer.post(f"/v1/examples/{example}/save")).status_code == 403
