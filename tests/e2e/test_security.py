"""Every endpoint for strangers, and a key that must be nowhere but sealed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from chassis.http import SIGNED
from contracts.topics import TOPICS, dead_letter_topics
from deploy.stack.services import SERVICES, Surroundings
from tests.collector import collecting
from tests.e2e.world import Loop, loop_world, walk
from tests.harness import bodies, publish, publisher, records, until

CANARY = "sk-canary-9f8e7d6c5b4a39281706"
ENDPOINTS = [
    (one.name, endpoint, scope)
    for one in SERVICES
    for endpoint, scope in sorted(importlib.import_module(f"{one.package}.app").SCOPES.items())
    if scope != SIGNED  # no token: tests/integration/test_training_follow.py holds forgeries against it
]
IDS = {
    "dialog_id": "dialog", "agent_id": "agent", "dataset_id": "dataset", "example_id": "example",
    "version": "version", "run_id": "run", "model_id": "model",
    "operation_id": "operation", "test_dialog_id": "test_dialog", "message_id": "test_message",
    "hook_id": "hook", "erasure_id": "erasure", "value_id": "value",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "PUT /v1/agents/{agent_id}/keys/{provider}": {"key": "sk-another-tenants-key"},
    "POST /v1/dialogs/{dialog_id}/select": {},
    "PUT /v1/dialogs/{dialog_id}/rating": {"rating": "good"},
    "POST /v1/datasets/{dataset_id}/examples": {"dialog_id": "d0", "revision": 1},
    "PATCH /v1/examples/{example_id}": {"operations": [{"op": "delete", "message_id": "m0"}]},
    "POST /v1/examples/{example_id}/fixes": {"code": "duplicate", "fix": "leave_out"},
    "POST /v1/examples/{example_id}/dismissals": {"code": "duplicate", "why": "meant so"},
    "POST /v1/examples/{example_id}/revert": {"revision": 1},
    "POST /v1/datasets/{dataset_id}/examples/bulk": {"filter": {}, "action": "remove"},
    "POST /v1/datasets/{dataset_id}/suggestions/{dialog_id}/snooze": {"until": "2999-01-01T00:00:00Z"},
    "POST /v1/datasets/{dataset_id}/allowed-values": {"text": "+7 495 000-00-01", "why": "ours"},
    "POST /v1/datasets/{dataset_id}/versions": {},
    "POST /v1/datasets/{dataset_id}/versions/{version}/train": {},
    "POST /v1/datasets/{dataset_id}/versions/{version}/rebuild": {},
    "POST /v1/erasures": {"dialog_id": "d0"},
    "POST /v1/models": {"agent_id": "shop", "provider": "openai", "model": "another"},
    "POST /v1/models/{model_id}/activate": {"expected_route_version": 1},
    "POST /v1/agents/{agent_id}/activate-base": {"expected_route_version": 1},
    "POST /v1/agents/{agent_id}/test-dialogs": {},
    "PUT /v1/test-dialogs/{test_dialog_id}/active": {"message_id": "01900000-0000-7000-8000-000000000000"},
    "POST /v1/test-dialogs/{test_dialog_id}/messages": {"role": "user", "content": "hi"},
    "PUT /v1/test-dialogs/{test_dialog_id}/messages/{message_id}": {"content": "hi"},
    "POST /v1/hooks": {"provider": "openai"},
    "PUT /v1/hooks/{hook_id}/secret": {"secret": "whsec_" + "a2" * 20},
    "POST /v1/chat/completions": {"model": "agent:shop", "messages": [{"role": "user", "content": "hi"}]},
}
# what a tenant may well do under an id that somebody else uses: the id is its own there
OWN_THING = {"PUT /v1/agents/{agent_id}", "POST /v1/hooks", "POST /v1/erasures"}
# answered from the operators' catalogue alone: the same for every tenant
CATALOGUE = {"GET /v1/base-models", "POST /v1/estimates"}
QUERIES = {
    "GET /v1/models": "?agent_id=shop",
    "GET /v1/models/compare": "?a={model_id}&b={model_id}",
}


def path_of(loop: Loop, endpoint: str) -> tuple[str, str]:
    method, path = endpoint.split(" ", 1)
    values = {name: loop.ids[kind] for name, kind in IDS.items()}
    values |= {"provider": "openai", "code": "duplicate", "other": loop.ids["version"]}
    values |= {"kind": "run", "node_id": loop.ids["run"]}
    return method, (path.replace(":path}", "}") + QUERIES.get(endpoint, "")).format_map(values)


async def counts(loop: Loop) -> dict[str, int]:
    """How many rows each table holds."""
    found = {}
    async with loop.surroundings.databases.connection(loop.surroundings.database) as connection:
        for row in await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
            "WHERE schemaname LIKE '%\\_svc' OR schemaname = 'vault'"
        ):
            # what moves by itself: deliveries on their way, leases, the memory of both, and checks
            if not row["name"].endswith(
                ("outbox", "leases", "inbox", "migrations", "_queue", "_checks", "findings", "_rates")
            ):
                found[row["name"]] = await connection.fetchval(f"SELECT count(*) FROM {row['name']}")
    return found


@pytest.mark.timeout(240)
async def test_strangers_get_401_403_404_and_change_nothing(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    wrong: list[str] = []
    async with loop_world(surroundings, tmp_path) as loop:
        await walk(loop)
        before = await counts(loop)
        for name, endpoint, scope in ENDPOINTS:
            method, path = path_of(loop, endpoint)
            body = {"json": BODIES[endpoint]} if endpoint in BODIES else {}
            client = await loop.services[name].client()
            nobody = await client.request(method, path, headers={"Authorization": ""}, **body)
            forged = await client.request(method, path, headers={"Authorization": "Bearer ey.J.x"}, **body)
            role = "viewer" if scope != "dialogs:read" else "operator"
            lesser = await loop.call(name, method, path, role=role, **body)
            if (nobody.status_code, forged.status_code, lesser.status_code) != (401, 401, 403):
                wrong.append(f"{endpoint}: {nobody.status_code} {forged.status_code} {lesser.status_code}")
            if endpoint not in OWN_THING | CATALOGUE:
                headers = {"If-Match": '"1"'} if method == "PATCH" else {}
                foreign = await loop.call(name, method, path, tenant="globex", headers=headers, **body)
                listed = foreign.status_code == 200 and "{" not in endpoint
                if foreign.status_code != 404 and not (listed and not _items(foreign.json())):
                    wrong.append(f"{endpoint} as globex: {foreign.status_code} {foreign.text[:200]}")
        assert await counts(loop) == before
    assert not wrong, "\n".join(wrong)


def _items(answer: Any) -> list[Any]:
    return list(answer.get("items", []))


@pytest.mark.timeout(240)
async def test_a_key_is_nowhere_but_sealed(surroundings: Surroundings, tmp_path: Path) -> None:
    with collecting() as collector:
        async with loop_world(surroundings, tmp_path, otlp_endpoint=collector.address) as loop:
            await walk(loop, CANARY)
            answers = await _send_everywhere(loop)
            async with publisher(loop.surroundings) as producer:
                headers = [("ce_id", CANARY.encode()), ("x", CANARY.encode())]
                topic = f"{loop.surroundings.topic_prefix}chat.events"
                await producer.send_and_wait(
                    topic, json.dumps({"key": CANARY[:-1]}).encode(), headers=headers
                )
                await publish(producer, loop.surroundings, [])
            await until(lambda: records(loop.surroundings, "chat.events.dialog-svc.dlt"))
            (letter,) = await records(loop.surroundings, "chat.events.dialog-svc.dlt")
            reasons = [value for name, value in letter.headers if name.startswith("dlt_")]
            metrics = [(await _ops(running, "/metrics")) for running in loop.services.values()]
            events = [str(await bodies(loop.surroundings, name)) for name in TOPICS if name != "chat.events"]
            dump = await _dump(loop)
            letters = [name for name in dead_letter_topics() if name != "chat.events.dialog-svc.dlt"]
            for name in letters:
                assert await records(loop.surroundings, name) == []
    logs = [path.read_text() for path in (tmp_path / "logs").iterdir()]
    places = {
        "answers": answers, "metrics": metrics, "events": events, "tables": dump,
        "logs": logs, "dead-letter reasons": [str(reasons)], "traces": collector.texts(),
    }  # fmt: skip
    found = [name for name, texts in places.items() if any(CANARY in text for text in texts)]
    assert found == []
    assert all(collector.spans(one.name) for one in SERVICES)
    assert any("letter" in text for text in logs), "the logs were not where they are looked for"


async def _ops(running: Any, path: str) -> str:
    client = await running.client()
    return str((await client.get(running.ops + path)).text)


async def _send_everywhere(loop: Loop) -> list[str]:
    """The key in wrong fields, wrong types, truncated JSON, the query and headers of every endpoint."""
    answers = []
    wrong: list[dict[str, Any]] = [
        {"json": {"kye": CANARY}},
        {"json": {"key": [CANARY]}},
        {"json": {"key": {"value": CANARY}}},
        {"content": f'{{"key": "{CANARY}', "headers": {"Content-Type": "application/json"}},
        {"params": {"limit": CANARY, "cursor": CANARY, "key": CANARY}},
        {"headers": {"If-Match": CANARY, "X-Agent-Id": CANARY, "X-Tenant-Id": CANARY}},
    ]
    for name, endpoint, _ in ENDPOINTS:
        method, path = path_of(loop, endpoint)
        if method == "DELETE":
            continue
        for more in wrong:
            answer = await loop.call(name, method, path, **more)
            assert answer.status_code != 500, f"{endpoint} {more}: {answer.text}"
            answers.append(answer.text + str(answer.headers))
    return answers


async def _dump(loop: Loop) -> list[str]:
    """Every row of every table as text; message texts may hold what a caller put into a message."""
    texts = []
    async with loop.surroundings.databases.connection(loop.surroundings.database) as connection:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
            "WHERE schemaname LIKE '%\\_svc' OR schemaname = 'vault'"
        )
        for row in tables:
            texts += [
                str(tuple(one)) for one in await connection.fetch(f"SELECT t::text FROM {row['name']} t")
            ]
    return texts
