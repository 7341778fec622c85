"""Following by account: one list for many runs, nothing held up by an upload, reports that are signed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.stack.services import Surroundings
from tests.harness import Running, until
from tests.integration.training_world import World, world

ONE_JOB = "GET /v1/fine_tuning/jobs/{id}"
LIST = "GET /v1/fine_tuning/jobs"
SLOW = {"follow_fast": "600", "follow_interval": "600", "follow_slowest": "600"}
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
async def long_jobs(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[World]:
    """A world in which a job takes minutes."""
    async with world(surroundings, tmp_path, speed=0.1) as made:
        yield made


async def _started_runs(a_world: World, count: int) -> list[str]:
    requests = [await a_world.request() for _ in range(count)]
    await a_world.publish(*requests)
    for one in requests:
        await a_world.row_when(one.run_id, status="waiting")
    return [one.run_id for one in requests]


async def _make_due(a_world: World) -> None:
    async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
        await admin.execute(
            "UPDATE training_svc.runs SET next_poll_at = now(), checked_at = now() - interval '1 hour'"
        )


async def _looked_at(a_world: World, runs: list[str]) -> None:
    async def all_fresh() -> bool:
        rows = [await a_world.row(run_id) for run_id in runs]
        return all(row and time.time() - row["checked_at"].timestamp() < 60 for row in rows)

    await until(all_fresh, 20, f"all looked at; {a_world.logs()}")


async def test_runs_of_one_key_are_looked_at_with_one_list(long_jobs: World) -> None:
    await long_jobs.started(**SLOW)
    runs = await _started_runs(long_jobs, 6)
    told = {run_id: len(await long_jobs.statuses(run_id)) for run_id in runs}
    before = await long_jobs.requests()
    await _make_due(long_jobs)
    await _looked_at(long_jobs, runs)
    after = await long_jobs.requests()
    asked = {call: after.get(call, 0) - before.get(call, 0) for call in (LIST, ONE_JOB)}
    assert asked == {LIST: 1, ONE_JOB: 0}
    # a look that shows nothing new tells nobody
    assert {run_id: len(await long_jobs.statuses(run_id)) for run_id in runs} == told


async def test_a_job_that_the_list_lacks_is_looked_at_by_itself(long_jobs: World) -> None:
    await long_jobs.started(**SLOW)
    runs = await _started_runs(long_jobs, 3)
    async with long_jobs.surroundings.databases.connection(long_jobs.surroundings.database) as admin:
        await admin.execute("UPDATE training_svc.runs SET job_id = 'ftjob-gone' WHERE run_id = $1", runs[0])
    await _make_due(long_jobs)
    await _looked_at(long_jobs, runs[1:])

    async def told() -> Any:
        row = await long_jobs.row(runs[0])
        return row and row["attention"]

    assert "job_missing" in await until(told, 20, long_jobs.logs())


async def _refuse_to_record(a_world: World, run_id: str) -> None:
    """Let the database refuse what a good look at one run shows, though not that a look failed."""
    async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
        await admin.execute(
            f"""
            CREATE FUNCTION training_svc.refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON training_svc.runs FOR EACH ROW
                WHEN (NEW.run_id = '{run_id}' AND NEW.checked_at > OLD.checked_at)
                EXECUTE FUNCTION training_svc.refuse();
            """
        )


async def test_a_run_that_cannot_be_recorded_holds_up_no_other_run_of_its_key(long_jobs: World) -> None:
    await long_jobs.started(**SLOW)
    runs = await _started_runs(long_jobs, 3)
    await _refuse_to_record(long_jobs, runs[0])
    async with long_jobs.surroundings.databases.connection(long_jobs.surroundings.database) as admin:
        # as after days of tries: the pause before the next must not grow beyond all numbers
        await admin.execute("UPDATE training_svc.runs SET failures = 2000 WHERE run_id = $1", runs[0])
        await admin.execute(
            "UPDATE training_svc.runs SET checked_at = now() - interval '1 hour', "
            "next_poll_at = now() - CASE WHEN run_id = $1 THEN interval '1 hour' ELSE interval '0' END",
            runs[0],
        )
    await _looked_at(long_jobs, runs[1:])

    async def told() -> Any:
        row = await long_jobs.row(runs[0])
        return row and row["attention"]

    assert "run_stuck" in await until(told, 20, long_jobs.logs())


async def test_an_upload_that_takes_long_holds_up_no_other_run(long_jobs: World) -> None:
    service = await long_jobs.started(drivers="1", upload_timeout="60", provider_timeout="60")
    (followed,) = await _started_runs(long_jobs, 1)
    long_jobs.simulator.add_fault("hang", match={"method": "POST", "path": "/v1/files"}, seconds=60)
    uploading = await long_jobs.request()
    await long_jobs.publish(uploading)
    await long_jobs.row_when(uploading.run_id, step="uploading")
    row = await long_jobs.row(followed)
    assert row is not None

    async def looked_at_again() -> bool:
        now = await long_jobs.row(followed)
        return bool(now and now["checked_at"] > row["checked_at"])

    await until(looked_at_again, 20, long_jobs.logs())
    service.stop(9)


async def test_who_asks_while_an_answer_is_on_its_way_waits_for_it(long_jobs: World) -> None:
    service = await long_jobs.started(**SLOW)
    (run_id,) = await _started_runs(long_jobs, 1)
    api = await service.client()
    long_jobs.simulator.add_fault("hang", match={"path": "/v1/fine_tuning/jobs/*"}, seconds=0.5)
    before = await long_jobs.requests()
    answers = await asyncio.gather(*(api.post(f"/v1/runs/{run_id}/refresh") for _ in range(4)))
    assert len({answer.json()["checked_at"] for answer in answers}) == 1
    assert (await long_jobs.requests())[ONE_JOB] - before.get(ONE_JOB, 0) == 1


def _signed(body: bytes, secret: str = SECRET, age: int = 0, report: str = "") -> dict[str, str]:
    report, at = report or f"wh_{uuid4()}", str(int(time.time()) - age)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{report}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": report,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


async def _hook(service: Running, **caller: str) -> str:
    """A webhook with a secret: the path to report to."""
    api = await service.client(**caller)
    made = (await api.post("/v1/hooks", json={"provider": "openai"})).json()
    secret = await api.put(f"/v1/hooks/{made['hook_id']}/secret", json={"secret": SECRET})
    assert secret.status_code == 204, secret.text
    return str(made["path"])


def _ended(job_id: str) -> bytes:
    return json.dumps(
        {"id": "evt_1", "type": "fine_tuning.job.succeeded", "created_at": 1, "data": {"id": job_id}}
    ).encode()


async def test_a_signed_report_makes_its_run_due_once(long_jobs: World) -> None:
    service = await long_jobs.started(**SLOW)
    (run_id,) = await _started_runs(long_jobs, 1)
    path = await _hook(service)
    row = await long_jobs.row(run_id)
    assert row is not None
    body = _ended(row["job_id"])
    headers = _signed(body)
    async with httpx.AsyncClient(base_url=service.url) as stranger:
        first = await stranger.post(path, content=body, headers=headers)
        again = await stranger.post(path, content=body, headers=headers)
        other = await stranger.post(path, content=_ended("ftjob-x"), headers=_signed(_ended("ftjob-x")))
    assert (first.status_code, first.json()) == (200, {"due": 1})
    assert (again.status_code, again.json()) == (200, {"due": 0})
    assert (other.status_code, other.json()) == (200, {"due": 0})

    async def looked_at() -> bool:
        now = await long_jobs.row(run_id)
        return bool(now and now["checked_at"] > row["checked_at"])

    await until(looked_at, 20, long_jobs.logs())
    now = await long_jobs.row(run_id)
    assert now is not None
    assert now["status"] == "waiting"  # the provider is asked; what the report says is not believed
    (listed,) = (await (await service.client()).get("/v1/hooks")).json()["items"]
    assert (listed["has_secret"], listed["path"]) == (True, path)
    assert SECRET not in json.dumps(listed)


async def test_the_end_of_a_job_is_known_by_its_report(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=4.0) as a_world:
        service = await a_world.started(**SLOW)
        path = await _hook(service)
        subscription = {"key": a_world.key, "url": service.url + path, "secret": SECRET}
        a_world.simulator.admin("POST", "webhooks", subscription)
        ready = await a_world.request()
        await a_world.publish(ready)
        # nobody looks at the job for ten minutes, unless told
        await a_world.row_when(ready.run_id, status="ready")
        reports = (await (await service.client()).get("/v1/hooks")).json()["items"]
        assert reports[0]["reported_at"] is not None


async def test_a_report_that_nobody_known_has_signed_is_refused(long_jobs: World) -> None:
    service = await long_jobs.started(**SLOW)
    (run_id,) = await _started_runs(long_jobs, 1)
    path = await _hook(service)
    row = await long_jobs.row(run_id)
    assert row is not None
    body = _ended(row["job_id"])
    good, wrong_key = _signed(body), "whsec_" + base64.b64encode(b"x" * 32).decode()
    api = await service.client()
    unsealed = (await api.post("/v1/hooks", json={"provider": "openai"})).json()["path"]
    cases: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "another body": (path, _ended("ftjob-other"), good),
        "another secret": (path, body, _signed(body, wrong_key)),
        "too old": (path, body, _signed(body, age=301)),
        "from the future": (path, body, _signed(body, age=-400)),
        "no headers": (path, body, {}),
        "an unknown hook": (f"/v1/webhooks/openai?hook={uuid4()}", body, good),
        "another provider": (path.replace("openai", "azure"), body, good),
        "no secret yet": (unsealed, body, good),
        "not text": (path, b"\xff\xfe", good),
    }
    async with httpx.AsyncClient(base_url=service.url) as stranger:
        for name, (where, content, headers) in cases.items():
            answer = await stranger.post(where, content=content, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "report_not_signed"), name
        nothing = b'{"data": {}}'
        signed = await stranger.post(path, content=nothing, headers=_signed(nothing))
        assert (signed.status_code, signed.json()["code"]) == (422, "report_malformed")
        assert (await stranger.post("/v1/webhooks/openai", content=body)).status_code == 422
    now = await long_jobs.row(run_id)
    assert now is not None
    assert now["checked_at"] == row["checked_at"]


async def test_hooks_belong_to_their_tenant(long_jobs: World) -> None:
    service = await long_jobs.started(**SLOW)
    (run_id,) = await _started_runs(long_jobs, 1)
    path = await _hook(service)
    hook_id = path.partition("hook=")[2]
    other = await service.client(tenant="globex")
    assert (await other.get("/v1/hooks")).json()["items"] == []
    refused = [
        await other.put(f"/v1/hooks/{hook_id}/secret", json={"secret": SECRET}),
        await other.delete(f"/v1/hooks/{hook_id}"),
    ]
    assert [answer.status_code for answer in refused] == [404, 404]
    theirs = await _hook(service, tenant="globex")
    row = await long_jobs.row(run_id)
    assert row is not None
    body = _ended(row["job_id"])
    async with httpx.AsyncClient(base_url=service.url) as stranger:
        answer = await stranger.post(theirs, content=body, headers=_signed(body))
        assert answer.json() == {"due": 0}  # another tenant's job, though its id is right
        mine = await service.client()
        assert (await mine.delete(f"/v1/hooks/{hook_id}")).status_code == 204
        assert (await stranger.post(path, content=body, headers=_signed(body))).status_code == 401
    actions = [entry["action"] for entry in (await mine.get("/v1/audit")).json()["items"]]
    assert actions[:3] == ["webhook_removed", "webhook_secret_set", "webhook_added"]
    malformed = await mine.post("/v1/hooks", json={"provider": "nebius"})
    assert (malformed.status_code, malformed.json()["code"]) == (422, "provider_without_webhooks")
