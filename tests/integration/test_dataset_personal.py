"""Personal data from the finding to the pseudonym and back; what was found stands nowhere but in messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dataset_svc.domain.message import Message, Messages
from deploy.stack.prepared import Prepared
from deploy.stack.services import Surroundings
from tests.harness import service, until
from tests.integration.curation import Curation, curating
from tests.integration.test_dataset_svc import agent, dataset_of, send

PHONE, MAIL = "9127773117", "canary.klein@example.org"
SPELLED = "8 (912) 777-31-17"
CODE = "personal_data"
HOLD_TEXT = {"examples", "example_revisions", "allowed_values", "draft_changes"}
"""The tables in which what people wrote may stand; an operation that was undone has forgotten it.

`draft_changes` hold it of the example that was edited, which its pseudonyms would make forget.
"""


def talk(number: int) -> list[dict[str, Any]]:
    call = {"id": "c1", "function": {"name": "track", "arguments": f'{{"phone": "+7{PHONE}"}}'}}
    return [
        {"id": "m0", "role": "user", "content": f"Где заказ {number}? Мой номер {SPELLED}, почта {MAIL}"},
        {"id": "m1", "role": "assistant", "tool_calls": [call]},
        {"id": "m2", "role": "tool", "content": f'{{"mail": "{MAIL}", "days": 3}}', "tool_call_id": "c1"},
        {"id": "m3", "role": "assistant", "content": f"Позвоним на 8{PHONE} через 3 дня"},
    ]


async def make(api: httpx.AsyncClient, dataset: str, count: int) -> list[str]:
    made = []
    for number in range(count):
        answer = await api.post(f"/v1/datasets/{dataset}/examples", json={"messages": talk(number)})
        made.append(str(answer.json()["id"]))
        assert (await api.post(f"/v1/examples/{made[-1]}/save")).status_code == 200
    return made


async def kinds(api: httpx.AsyncClient, dataset: str) -> dict[str, int]:
    """How often each kind is found, once all is checked."""

    async def checked() -> Any:
        answer = (await api.get(f"/v1/datasets/{dataset}/checks")).json()
        return answer if not answer["pending"] else None

    found = await until(checked)
    return next((one["kinds"] for one in found["counts"] if one["code"] == CODE and "kinds" in one), {})


def contents(example: Any) -> str:
    return str([(one.get("content"), one.get("tool_calls")) for one in example["messages"]])


async def test_from_a_finding_to_pseudonyms_and_back_and_nothing_of_it_elsewhere(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent())
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        api = await running.client()
        dataset = await dataset_of(api)
        examples = await make(api, dataset, 12)
        assert await kinds(api, dataset) == {"phone": 36, "email": 24}
        frozen = await api.post(f"/v1/datasets/{dataset}/versions", json={})
        (warning,) = [one for one in frozen.json()["warnings"] if one["code"] == CODE]
        assert (warning["examples"], warning["kinds"]) == (12, {"phone": 36, "email": 24})

        await _one(api, examples[0])
        assert await kinds(api, dataset) == {"phone": 36, "email": 24}, "undone"
        await _many(api, dataset, examples)
        await _allowed(api, dataset)

        metrics = (await api.get(f"{running.ops}/metrics")).text
        audit = str((await api.get("/v1/audit", params={"limit": 200})).json())
        operations = str((await api.get(f"/v1/datasets/{dataset}/operations")).json())
        stored = str((await api.get(f"/v1/datasets/{dataset}/checks")).json())
        assert {"example.pseudonymised", "value.allowed"} <= {
            one["action"] for one in (await api.get("/v1/audit", params={"limit": 200})).json()["items"]
        }
    places = {"metrics": metrics, "audit": audit, "operations": operations, "findings": stored,
              "log": running.log.read_text()}  # fmt: skip
    assert [name for name, text in places.items() if PHONE[3:] in text or MAIL in text] == []
    assert await _tables_with(surroundings, PHONE, MAIL, SPELLED) == HOLD_TEXT


async def _one(api: httpx.AsyncClient, example: str) -> None:
    """Preview, pseudonyms in one example, undo."""
    url = f"/v1/examples/{example}"
    preview = await api.get(f"{url}/personal-data")
    phone, mail = preview.json()["values"]
    assert (phone["kind"], phone["pseudonym"], len(phone["places"])) == ("phone", "телефон-1", 3)
    assert [one["before"] for one in phone["places"]] == [SPELLED, f"+7{PHONE}", f"8{PHONE}"]
    assert [(one["field"], one["path"]) for one in mail["places"]] == [("content", None), ("content", "mail")]
    assert preview.json()["refused"] is None
    before = (await api.get(url)).json()
    fix = {"code": CODE, "fix": "pseudonymise", "save": True}
    stale = await api.post(f"{url}/fixes", json=fix, headers={"If-Match": '"99"'})
    assert stale.status_code == 412
    fixed = await api.post(f"{url}/fixes", json=fix, headers={"If-Match": preview.headers["ETag"]})
    after = fixed.json()
    assert (fixed.status_code, after["saved_revision"], after["unsaved_changes"]) == (200, 2, False)
    assert after["messages"][0]["content"] == "Где заказ 0? Мой номер телефон-1, почта почта-1"
    assert after["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"phone": "телефон-1"}'
    assert [one["edited"] for one in after["messages"]] == [False] * 4, "the original holds the same"
    assert [one for one in after["findings"] if one["code"] == CODE] == []
    assert (await api.get(f"{url}/personal-data")).json()["values"] == []
    again = await api.post(f"{url}/fixes", json=fix)
    assert (again.status_code, again.json()["code"]) == (404, "no_such_finding")
    assert (await api.post(after["undo"]["href"])).status_code == 200
    back = (await api.get(url)).json()
    assert contents(back) == contents(before)
    assert (back["saved_revision"], back["unsaved_changes"]) == (1, False)


async def _many(api: httpx.AsyncClient, dataset: str, examples: list[str]) -> None:
    """Count, change all but the one that has unsaved edits, freeze without a warning, undo."""
    busy, bulk = f"/v1/examples/{examples[1]}", f"/v1/datasets/{dataset}/examples/bulk"
    etag = (await api.get(busy)).headers["ETag"]
    edit = {"op": "edit", "message_id": "m3", "content": "Скоро"}
    await api.patch(busy, json={"operations": [edit]}, headers={"If-Match": etag})
    wanted = {"filter": {}, "action": "pseudonymise"}
    counted = (await api.post(bulk, json=wanted | {"dry_run": True})).json()
    assert (counted["count"], counted["kinds"]["phone"]) == (12, {"examples": 12, "times": 36})
    done = (await api.post(bulk, json=wanted)).json()
    assert (done["done"], done["failed"], done["failures"][0]["code"]) == (11, 1, "unsaved_changes")
    assert await kinds(api, dataset) == {"phone": 3, "email": 2}
    frozen = await api.post(f"/v1/datasets/{dataset}/versions", json={"exclude": [examples[1]]})
    assert frozen.status_code == 201, frozen.text
    assert [one["code"] for one in frozen.json()["warnings"] if one["code"] == CODE] == []
    undone = await api.post(f"/v1/operations/{done['id']}/undo")
    assert (undone.status_code, undone.json()["undone"]) == (200, 11)
    await api.post(f"{busy}/discard")
    assert await kinds(api, dataset) == {"phone": 36, "email": 24}


async def _allowed(api: httpx.AsyncClient, dataset: str) -> None:
    """A value of one's own is no finding, in whatever spelling, until it is one again."""
    url = f"/v1/datasets/{dataset}/allowed-values"
    for text, kind in (("hello", None), (f"{SPELLED} {MAIL}", None), (SPELLED, "email")):
        refused = await api.post(url, json={"text": text, "kind": kind, "why": "x"})
        assert (refused.status_code, refused.json()["code"]) == (422, "no_personal_data")
        assert PHONE[:3] not in refused.text
    allowed = await api.post(url, json={"text": f"8{PHONE}", "kind": "phone", "why": "our hotline"})
    assert allowed.status_code == 201, allowed.text
    assert await kinds(api, dataset) == {"email": 24}
    (listed,) = (await api.get(url)).json()["items"]
    assert (listed["text"], listed["why"]) == (f"8{PHONE}", "our hotline")
    assert (await api.delete(f"{url}/{listed['id']}")).status_code == 204
    assert (await api.delete(f"{url}/{listed['id']}")).status_code == 404
    assert await kinds(api, dataset) == {"phone": 36, "email": 24}
    await api.post(url, json={"text": MAIL, "why": "our own"})


async def _tables_with(surroundings: Surroundings, *values: str) -> set[str]:
    found = set()
    async with surroundings.databases.connection(surroundings.database) as admin:
        for row in await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'dataset_svc'"):
            texts = await admin.fetch(f"SELECT t::text AS text FROM dataset_svc.{row['tablename']} t")
            if any(value in one["text"] for value in values for one in texts):
                found.add(row["tablename"])
    return found


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as opened:
        yield opened


def said(text: str) -> Messages:
    return (Message("u", "user", text), Message("a", "assistant", "Хорошо, записали, спасибо большое"))


async def test_what_older_detectors_looked_through_is_looked_through_again_before_it_is_frozen(
    curation: Curation,
) -> None:
    dataset = await curation.agent()
    await curation.take(dataset, said(f"Мой номер {SPELLED}"), said("Спасибо"))
    await curation.check()
    assert await curation.check() == 0
    forgotten = "UPDATE example_checks SET scan_version = 1; DELETE FROM findings"
    await _execute(curation, forgotten)
    frozen = await curation.freeze(dataset)
    assert [(one["code"], one["kinds"]) for one in frozen["warnings"]] == [(CODE, {"phone": 1})]
    await _execute(curation, forgotten)
    assert await curation.check() > 0, "and by the worker after a start"
    assert (await curation.codes(dataset))[CODE] == 1
    await _execute(curation, "UPDATE example_checks SET scan_version = 1000; DELETE FROM findings")
    assert await curation.check() == 0, "a newer process's work is left alone"


async def test_a_prompt_that_names_a_number_makes_it_the_agents_own(curation: Curation) -> None:
    dataset = await curation.agent()
    await curation.take(dataset, said(f"Это ваш номер {SPELLED}?"))
    await curation.check()
    assert CODE in await curation.codes(dataset)
    await curation.agent(prompt=f"Ring +7 {PHONE} when in doubt.", version=2)
    await curation.check()
    assert CODE not in await curation.codes(dataset)


async def _execute(curation: Curation, statement: str) -> None:
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute(statement)
