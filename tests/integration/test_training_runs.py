"""What owners do with runs: any provider, pause and resume, large files, going on, a file to take away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from contracts.datasets import DatasetWithdrawn, TrainingFiles
from deploy.stack.services import Surroundings
from tests.harness import bodies, until
from tests.integration.training_world import World, world

JOBS = "/v1/fine_tuning/jobs"


@pytest.fixture
async def a_world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[World]:
    async with world(surroundings, tmp_path) as made:
        yield made


async def ended(a_world: World, status: str = "ready", **more: Any) -> Any:
    """A run that was asked for and has ended so."""
    ready = await a_world.request(**more)
    await a_world.publish(ready)
    await a_world.row_when(ready.run_id, status=status)
    return ready


@pytest.mark.parametrize(
    ("provider", "base"),
    [
        ("azure", "gpt-4o-mini-2024-07-18"),
        ("nebius", "meta-llama/Llama-3.3-70B-Instruct"),
        ("compatible", "base"),
    ],
)
async def test_another_provider_is_only_another_entry(
    provider: str, base: str, surroundings: Surroundings, tmp_path: Path
) -> None:
    async with world(surroundings, tmp_path, provider=provider, base=base) as a_world:
        service = await a_world.started()
        # the answer to the create is lost: found again by whatever this server offers
        a_world.simulator.add_fault("answer_lost_after_create")
        ready = await ended(a_world)
        (job,) = a_world.jobs(ready.run_id) or a_world.simulator.ledger()
        row = await a_world.row(ready.run_id)
        assert row is not None
        assert (job["status"], job["id"]) == ("succeeded", row["job_id"])
        assert "{" not in row["base_url"]
        api = await service.client()
        models = (await api.get("/v1/models", params={"agent_id": "shop"})).json()["items"]
        (final,) = [one for one in models if one["kind"] == "final"]
        assert (final["model"], final["base_model"]) == (row["model"], base)
        steps = (await api.get(f"/v1/runs/{ready.run_id}/metrics")).json()
        assert len(steps["items"]) > 10
        assert steps["last"]["train_loss"] > 0


async def test_paused_resumed_and_a_wish_that_came_too_late(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with world(surroundings, tmp_path, speed=4.0) as a_world:
        service = await a_world.started()
        api = await service.client()
        ready = await a_world.request()
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, step="following")
        path = f"/v1/runs/{ready.run_id}"
        early = await api.post(f"{path}/resume")
        assert (early.status_code, early.json()["code"]) == (409, "run_not_paused")

        # the provider does not agree at once: the wish stands
        a_world.simulator.add_fault("server_error", match={"method": "POST", "path": f"{JOBS}/*/pause"})
        asked = await api.post(f"{path}/pause")
        assert (asked.status_code, asked.json()["asked"]) == (202, "pause")
        row = await a_world.row_when(ready.run_id, status="paused")
        assert row["asked"] is None
        assert (await api.get(path)).json()["wish_result"]["outcome"] == "done"
        assert [job["status"] for job in a_world.jobs(ready.run_id)] == ["paused"]

        assert (await api.post(f"{path}/resume")).status_code == 202
        await a_world.row_when(ready.run_id, status="ready")
        told = [(body["status"], body["asked"]) for body in await a_world.statuses(ready.run_id)]
        assert ("paused", "resume") in told
        late = await api.post(f"{path}/cancel")
        assert (late.status_code, late.json()["code"]) == (409, "run_has_ended")
        async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
            audited = await admin.fetch("SELECT action FROM training_svc.audit ORDER BY at")
        assert [one["action"] for one in audited] == ["run_pause_asked", "run_resume_asked"]


async def test_a_run_that_finished_before_it_could_be_cancelled_says_so(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with world(surroundings, tmp_path, speed=5.0) as a_world:
        service = await a_world.started()
        api = await service.client()
        # the provider refuses to cancel until it is done
        fault = {"match": {"method": "POST", "path": f"{JOBS}/*/cancel"}, "times": None}
        a_world.simulator.add_fault("request_refused", **fault)
        ready = await a_world.request()
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, step="following")
        path = f"/v1/runs/{ready.run_id}"
        assert (await api.post(f"{path}/cancel")).json()["asked"] == "cancel"
        row = await a_world.row_when(ready.run_id, status="ready")
        assert row["asked"] is None
        told = (await api.get(path, headers={"Accept-Language": "ru"})).json()["wish_result"]
        assert (told["asked"], told["outcome"]) == ("cancel", "too_late")
        assert "раньше" in told["message"]


async def test_a_server_that_cannot_pause_says_so(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, provider="nebius", base="meta-llama/x", speed=2.0) as a_world:
        service = await a_world.started()
        ready = await a_world.request(base_model="meta-llama/Llama-3.3-70B-Instruct")
        await a_world.publish(ready)
        await a_world.row_when(ready.run_id, step="following")
        answer = await (await service.client()).post(f"/v1/runs/{ready.run_id}/pause")
        assert (answer.status_code, answer.json()["code"]) == (409, "pause_not_supported")


async def test_files_at_the_provider_are_deleted_after_a_set_time(a_world: World) -> None:
    await a_world.started(files_kept="2", tidy_every="0.2")
    ready = await ended(a_world)
    row = await a_world.row(ready.run_id)
    assert row is not None
    assert (row["files_state"], len(await a_world.files(ready.run_id))) == ("kept", 1)
    await a_world.row_when(ready.run_id, files_state="deleted", files_until=None)
    assert await a_world.files(ready.run_id) == []


async def test_files_of_refused_and_erased_runs_are_deleted_at_once(a_world: World) -> None:
    await a_world.started(tidy_every="0.2", lease_seconds="0.5")
    a_world.simulator.add_fault("training_not_available")
    # the deletion is refused too, at first
    fault = {"match": {"method": "DELETE", "path": "/v1/files/*"}, "times": 3}
    a_world.simulator.add_fault("unauthorized", **fault)
    refused = await ended(a_world, "failed")
    await a_world.row_when(refused.run_id, files_state="deleted")
    assert await a_world.files(refused.run_id) == []

    erased = await ended(a_world)
    assert len(await a_world.files(erased.run_id)) == 1
    gone = DatasetWithdrawn(agent_id="shop", dataset_id=erased.dataset_id, version=1, reason="erased")
    await a_world.publish(gone)
    await a_world.row_when(erased.run_id, files_state="deleted")
    assert await a_world.files(erased.run_id) == []


async def test_a_large_file_goes_in_parts_with_its_validation_file(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    def small(entry: dict[str, Any]) -> None:
        entry["limits"] |= {"file_bytes": 500, "part_bytes": 300}

    async with world(surroundings, tmp_path, change=small) as a_world:
        await a_world.started()
        ready = await a_world.request(40)
        more = await a_world.request(11)
        files = TrainingFiles(training=ready.files.training, validation=more.files.training)
        ready = ready.model_copy(update={"files": files, "suffix": "shop", "seed": 5})
        await a_world.publish(ready)
        row = await a_world.row_when(ready.run_id, status="ready")
        assert row["validation_file_id"]
        assert ":shop:" in row["model"]
        calls = await a_world.requests()
        sizes = [ready.files.training.bytes, more.files.training.bytes]
        assert calls["POST /v1/uploads/{id}/parts"] == sum(-(-size // 300) for size in sizes)
        assert "POST /v1/files" not in calls
        async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
            figures = await admin.fetchval(
                "SELECT figures FROM training_svc.run_metrics WHERE run_id = $1 ORDER BY step DESC LIMIT 1",
                ready.run_id,
            )
        assert "valid_loss" in figures


async def test_training_goes_on_from_ones_own_model(a_world: World) -> None:
    service = await a_world.started()
    first = await ended(a_world)
    row = await a_world.row(first.run_id)
    assert row is not None
    second = await ended(a_world, base_model=row["model"], dataset_id=first.dataset_id, version=2)
    api = await service.client()
    run = (await api.get(f"/v1/runs/{second.run_id}")).json()
    assert (run["parent_run_id"], run["root_model"]) == (first.run_id, a_world.base)
    model = (await api.get(f"/v1/models/{second.run_id}")).json()
    assert (model["parent_run_id"], model["base_model"]) == (first.run_id, a_world.base)
    assert [job["model"] for job in a_world.jobs(second.run_id)] == [row["model"]]

    unknown = await ended(a_world, "failed", base_model="ft:nothing-known:org::1")
    assert (await api.get(f"/v1/runs/{unknown.run_id}")).json()["error"]["code"] == "provider_unknown"


@pytest.mark.parametrize("fault", [None, "result_file_base64"])
async def test_two_models_are_compared_and_a_checkpoint_is_activated(
    a_world: World, fault: str | None
) -> None:
    if fault:
        a_world.simulator.add_fault(fault, times=None)
    service = await a_world.started()
    first = await ended(a_world)
    second = await ended(
        a_world, dataset_id=first.dataset_id, version=2, hyperparameters={"n_epochs": 2}, seed=4
    )
    api = await service.client()
    a, b = (await compared(api, first.run_id, second.run_id))["a"], first.run_id
    found = await compared(api, first.run_id, second.run_id)
    assert (found["a"]["settings"]["hyperparameters"], found["b"]["settings"]["seed"]) == ({"n_epochs": 3}, 4)
    assert found["same"] | {"settings": None} == {
        "provider": True, "base_model": True, "dataset_id": True, "version": False,
        "prompt_fingerprint": True, "settings": None,
    }  # fmt: skip
    assert found["links"]["dataset_diff"]["path"] == f"/v1/datasets/{first.dataset_id}/versions/1/diff/2"
    assert a["cost_microdollars"] > 0
    assert a["estimate"]["low_microdollars"] > 0
    assert 0 < a["final"]["train_loss"] < 3
    curve = (await api.get(f"/v1/runs/{b}/metrics", params={"limit": 5})).json()
    assert [one["step"] for one in curve["items"]] == [1, 2, 3, 4, 5]
    rest = (await api.get(f"/v1/runs/{b}/metrics", params={"after_step": curve["next_after_step"]})).json()
    assert rest["items"][0]["step"] == 6

    models = (await api.get("/v1/models", params={"agent_id": "shop", "limit": 3})).json()
    page = {"agent_id": "shop", "limit": 200, "cursor": models["next_cursor"]}
    models = models["items"] + (await api.get("/v1/models", params=page)).json()["items"]
    assert len({one["model_id"] for one in models}) == len(models) == 2 + 3 + 2
    saved = next(one for one in models if one["kind"] == "checkpoint" and one["run_id"] == first.run_id)
    assert saved["model"].endswith(f":ckpt-step-{saved['step']}")
    activate, body = f"/v1/models/{saved['model_id']}/activate", {"expected_route_version": 0}
    itself = await api.post(activate, json=body | {"fallback_model_id": saved["model_id"]})
    assert (itself.status_code, itself.json()["code"]) == (422, "fallback_unusable")
    nobody = await api.post(activate, json=body | {"fallback_model_id": first.dataset_id})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
    answer = await api.post(activate, json=body | {"fallback_model_id": second.run_id})
    assert answer.status_code == 202
    (activated,) = await until(lambda: bodies(a_world.surroundings, "model.activated"))
    assert [one["model"] for one in activated["targets"]] == [saved["model"]]
    other = next(one for one in models if one["model_id"] == second.run_id)
    assert activated["fallback"]["model"] == other["model"]
    odd = await api.get("/v1/models", params={"agent_id": "shop", "cursor": "AAAA"})
    assert (odd.status_code, odd.json()["code"]) == (422, "cursor_unknown")


async def compared(api: httpx.AsyncClient, a: str, b: str) -> dict[str, Any]:
    answer = await api.get("/v1/models/compare", params={"a": a, "b": b})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_file_is_taken_away_and_the_model_registered_by_hand(a_world: World) -> None:
    service = await a_world.started()
    nobody = "00000000-0000-0000-0000-000000000000"
    ready = await ended(a_world, provider="file", base_model="any", key_id=nobody)
    api = await service.client()
    run = (await api.get(f"/v1/runs/{ready.run_id}")).json()
    assert (run["status"], run["provider_status"], run["model"]) == ("ready", "file_ready", None)
    taken = await api.get(f"/v1/runs/{ready.run_id}/file")
    assert len(taken.content) == ready.files.training.bytes
    assert taken.headers["etag"] == f'"{ready.files.training.sha256}"'
    none = await api.get(f"/v1/runs/{ready.run_id}/file", params={"part": "validation"})
    assert (none.status_code, none.json()["code"]) == (404, "file_gone")
    assert a_world.simulator.ledger() == []

    body = {"agent_id": "shop", "provider": "openai", "model": "my-own-7b", "run_id": ready.run_id}
    headers = {"Idempotency-Key": "once"}
    made = await api.post("/v1/models", json=body, headers=headers)
    assert made.status_code == 201
    assert (await api.post("/v1/models", json=body, headers=headers)).json() == made.json()
    again = await api.post("/v1/models", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "model_known")
    odd = await api.post("/v1/models", json=body | {"provider": "file"})
    assert (odd.status_code, odd.json()["code"]) == (422, "provider_unknown")
    model = (await api.get(f"/v1/models/{made.json()['model_id']}")).json()
    assert (model["kind"], model["dataset_id"], model["version"]) == ("registered", ready.dataset_id, 1)
    share = {"expected_route_version": 0, "share": 0.25}
    answer = await api.post(f"/v1/models/{model['model_id']}/activate", json=share)
    assert answer.status_code == 202
    (activated,) = await until(lambda: bodies(a_world.surroundings, "model.activated"))
    assert [(one["model"], one["share"]) for one in activated["targets"]] == [
        ("my-own-7b", 0.25),
        (a_world.base, 0.75),
    ]


async def test_a_changed_catalogue_counts_without_a_restart_and_a_broken_one_does_not(a_world: World) -> None:
    service = await a_world.started()
    api = await service.client()
    path = a_world.surroundings.catalogue
    assert path is not None
    catalogue = yaml.safe_load(path.read_text())

    async def price() -> Any:
        items = (await api.get("/v1/base-models")).json()["items"]
        return next(one["prices"] for one in items if one["base_model"] == a_world.base)["training"]

    assert await price() == 3
    model = next(one for one in catalogue["base_models"] if one["id"] == a_world.base)
    model["prices"]["training"] = 4.5
    path.write_text(yaml.safe_dump(catalogue))

    async def changed() -> bool:
        return bool(await price() == 4.5)

    await until(changed)
    path.write_text(path.read_text().replace("base_url", "bas_url", 1))

    async def told() -> bool:
        await price()
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"{service.ops}/metrics")).text
        return "mortarboard_catalogue_broken 1.0" in metrics

    await until(told)
    assert await price() == 4.5
    assert "field bas_url" in service.log.read_text()
