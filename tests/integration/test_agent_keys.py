"""Provider keys: one key at two agents, checks, refusals in words, replacement, rotation without a stop."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from chassis.keyring import master_key_id
from contracts.training import KeyRefused, RunError
from deploy.ctl import dump
from deploy.stack.services import Surroundings
from tests.harness import ROOT, now, until
from tests.integration.agent_world import SECRET, AgentWorld, agent_world, run_status

SECURITY = ROOT / "docs" / "security.md"
OTHER = "sk-another-organisation-42"


@pytest.fixture
async def world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(surroundings, tmp_path, old_key_days="0", unused_key_days="0") as made:
        await made.agent()
        yield made


async def shown(world: AgentWorld, language: str = "en") -> Any:
    (key,) = (await world.ok("GET", "/v1/agents/shop", headers={"Accept-Language": language}))["keys"]
    return key


async def becomes(world: AgentWorld, **wanted: Any) -> Any:
    """The key, once it is as wanted."""

    async def so() -> Any:
        key = await shown(world)
        return key if {name: key[name] for name in wanted} == wanted else None

    return await until(so, what=str(wanted))


async def test_the_same_key_at_two_agents_is_one_key(world: AgentWorld) -> None:
    await world.agent("bakery")
    first, second = await world.key(), await world.key(agent_id="bakery")
    assert (first["key_id"], first["infer"]) == (second["key_id"], "yes")
    await world.ok("PUT", "/v1/agents/shop", tenant="globex", json=(await agent_of(world)))
    answer = await world.ok("PUT", "/v1/agents/shop/keys/openai", tenant="globex", json={"key": SECRET})
    assert answer["key_id"] != first["key_id"]
    assert answer["fingerprint"] != first["fingerprint"]


async def agent_of(world: AgentWorld) -> dict[str, Any]:
    found = await world.ok("GET", "/v1/agents/shop")
    kept = ("name", "prompt", "tools", "base_model", "provider")
    return {name: found[name] for name in kept}


async def test_a_key_that_the_provider_refuses_is_not_taken(world: AgentWorld) -> None:
    answer = await world.call("PUT", "/v1/agents/shop/keys/openai", json={"key": "not-a-key-of-theirs"})
    assert (answer.status_code, answer.json()["code"]) == (422, "key_refused")
    assert (await world.ok("GET", "/v1/agents/shop"))["keys"] == []
    assert await world.rows("SELECT FROM agent_svc.keys") == []


async def test_training_is_proven_by_an_accepted_job_only_and_denied_in_words(world: AgentWorld) -> None:
    key = await world.key()
    assert (key["training"], key["because"]) == ("unverified", None)
    assert "does not block" in key["detail"]
    await world.publish(run_status(key["key_id"], provider_job_id="ftjob-1"))
    assert (await becomes(world, training="yes"))["because"] is None
    day = now()
    refused = RunError(code="training_not_available", message="no")
    await world.publish(run_status(key["key_id"], status="failed", error=refused, checked_at=day))
    denied = await becomes(world, training="no", because="training_not_available")
    assert denied["detail"] == f"OpenAI closed training for this account on {day.date()}."
    assert denied["action"] == "Azure or Nebius still take it: add a key there."
    assert (await shown(world, "ru"))["action"] == "Azure или Nebius ещё обучают: добавьте ключ там."
    # the account stays closed for its next key, and for a check by hand
    await world.key(SECRET + "~2")
    checked = await world.ok("POST", "/v1/agents/shop/keys/openai/check")
    assert (checked["version"], checked["training"]) == (2, "no")
    await world.tells(version=2, training="no", since=str(day.date()))


async def test_an_old_job_seen_again_proves_nothing_after_a_refusal(world: AgentWorld) -> None:
    key, run = await world.key(), str(uuid7())
    await world.publish(run_status(key["key_id"], run, provider_job_id="ftjob-1"))
    await becomes(world, training="yes")
    refused = RunError(code="training_not_available", message="no")
    await world.publish(
        run_status(key["key_id"], status="failed", error=refused),
        run_status(key["key_id"], run, provider_job_id="ftjob-1", status="training"),
    )
    await becomes(world, training="no")

    async def followed() -> bool:
        return bool(await world.rows("SELECT FROM agent_svc.runs WHERE status = 'training'"))

    await until(followed)
    assert (await shown(world))["training"] == "no"


async def test_a_passed_closing_date_denies_training(world: AgentWorld) -> None:
    await world.agent(provider="gone")
    key = await world.key(provider="gone")
    assert (key["training"], key["because"], key["since"]) == ("no", "training_closed", "2020-02-01")
    assert key["action"] == "OpenAI, Azure or Nebius still take it: add a key there."
    assert (await world.rows("SELECT training FROM agent_svc.keys"))[0]["training"] == "unverified"


async def test_a_closing_date_that_passes_is_told_by_the_daily_check(world: AgentWorld) -> None:
    key = await world.key(provider="nebius")
    await world.publish(run_status(key["key_id"], provider="nebius", provider_job_id="ftjob-1"))
    await world.tells(training="yes")
    closes = "closings: [{since: 2020-03-01, whom: {en: all, ru: все}, everybody: true}]"
    text = world.catalogue.read_text()
    world.catalogue.write_text(text.replace("id: nebius,", f"id: nebius, {closes},"))
    await becomes(world, training="no", because="training_closed")  # the file was read again
    await world.rows("UPDATE agent_svc.keys SET check_due = now()")
    await world.tells(training="no", because="training_closed", since="2020-03-01")
    world.catalogue.write_text(text)
    await becomes(world, training="yes")
    await world.rows("UPDATE agent_svc.keys SET check_due = now()")
    await world.tells(training="yes", because=None)


async def test_what_a_providers_address_needs_is_kept_with_the_key(world: AgentWorld) -> None:
    await world.agent(provider="azure")
    path = "/v1/agents/shop/keys/azure"
    for variables in ({}, {"part": "v1", "more": "v1"}):
        answer = await world.call("PUT", path, json={"key": SECRET, "variables": variables})
        assert (answer.status_code, answer.json()["variables"]) == (422, ["part"])
    odd = await world.call("PUT", path, json={"key": SECRET, "variables": {"part": "../v1"}})
    assert odd.status_code == 422
    assert (await world.key(provider="azure", variables={"part": "nowhere"}))["infer"] == "unverified"
    key = await world.key(provider="azure", variables={"part": "v1"})
    assert (key["infer"], key["variables"]) == ("yes", {"part": "v1"})
    await world.tells(variables={"part": "v1"})
    assert (await world.ok("POST", f"{path}/check"))["infer"] == "yes"


async def test_a_refused_version_is_noted_and_one_replaced_since_is_not(world: AgentWorld) -> None:
    key = await world.key()
    await world.key(SECRET + "~2")
    old, new = (
        KeyRefused(key_id=key["key_id"], version=version, code="key_refused", at=now()) for version in (1, 2)
    )
    await world.publish(old, run_status(key["key_id"], provider_job_id="ftjob-1"))
    assert (await becomes(world, training="yes"))["infer"] == "yes"
    await world.publish(new)
    refused = await becomes(world, training="no", infer="no", because="key_refused")
    assert refused["action"] == "Paste another key."
    lacking = KeyRefused(
        key_id=key["key_id"], version=2, code="key_lacks_permission", param="api.files.write", at=now()
    )
    await world.publish(lacking)
    lacks = await becomes(world, because="key_lacks_permission", missing_scope="api.files.write")
    assert lacks["detail"] == "The key lacks a permission to train: api.files.write."


async def test_a_daily_check_finds_a_key_that_no_longer_works_and_one_that_does(world: AgentWorld) -> None:
    await world.key()
    world.simulator.add_fault("unauthorized", match={"path": "/v1/models"}, times=None)
    await world.rows("UPDATE agent_svc.keys SET check_due = now()")
    await becomes(world, training="no", infer="no", because="key_refused")
    await world.tells(infer="no", because="key_refused")
    world.simulator.admin("DELETE", "faults")
    await world.rows("UPDATE agent_svc.keys SET check_due = now()")
    await becomes(world, training="unverified", infer="yes", because=None)


async def test_a_silent_provider_changes_nothing_that_is_known(world: AgentWorld) -> None:
    key = await world.key()
    world.simulator.add_fault("server_error", match={"path": "/v1/models"}, times=None)
    checked = await world.ok("POST", "/v1/agents/shop/keys/openai/check")
    assert checked | {"checked_at": 0} == key | {"checked_at": 0}


async def test_a_restricted_key_says_which_scope_it_lacks(world: AgentWorld) -> None:
    world.simulator.add_fault("missing_scope", match={"path": "/v1/files"}, times=None)
    key = await world.key()
    assert (key["training"], key["infer"]) == ("no", "yes")
    assert (key["because"], key["missing_scope"]) == ("scope_missing", "api.files.write")
    assert key["detail"] == "The key lacks a permission: api.files.write."
    world.simulator.admin("DELETE", "faults")
    checked = await world.ok("POST", "/v1/agents/shop/keys/openai/check")
    assert (checked["training"], checked["missing_scope"]) == ("unverified", None)


async def test_a_newer_key_of_the_account_is_a_version_and_a_run_keeps_the_old_one(world: AgentWorld) -> None:
    await world.agent("bakery")
    key, run = await world.key(), str(uuid7())
    await world.key(agent_id="bakery")
    await world.publish(run_status(key["key_id"], run))

    async def known() -> bool:
        return bool(await world.rows("SELECT FROM agent_svc.runs"))

    await until(known)
    renewed = await world.key(SECRET + "~2", agent_id="bakery")
    assert (renewed["key_id"], renewed["version"]) == (key["key_id"], 2)
    assert (await shown(world))["version"] == 2
    await world.tells(version=2)
    await world.tells("bakery", version=2)
    await tidied(world)
    assert await versions(world, key["key_id"]) == [1, 2]
    await world.publish(run_status(key["key_id"], run, status="ready", provider_job_id="ftjob-1"))

    async def dropped() -> bool:
        return await versions(world, key["key_id"]) == [2]

    await until(dropped)


async def tidied(world: AgentWorld) -> None:
    """Wait until the vault was gone through as a whole at least once from now on."""
    lease = "SELECT until FROM agent_svc.leases WHERE name = 'tidy-vault'"
    seen = {(await world.rows(lease))[0]["until"]}

    async def twice_more() -> bool:
        seen.add((await world.rows(lease))[0]["until"])
        return len(seen) > 2

    await until(twice_more)


async def versions(world: AgentWorld, key_id: str) -> list[int]:
    rows = await world.rows("SELECT version FROM vault.secrets WHERE key_id = $1 ORDER BY 1", key_id)
    return [row["version"] for row in rows]


async def test_another_organisations_key_is_taken_after_naming_what_stops(world: AgentWorld) -> None:
    key = await world.key()
    await world.activate("ft:gpt-4o-mini:acme::1", key["key_id"], run_id=str(uuid7()))
    answer = await world.call("PUT", "/v1/agents/shop/keys/openai", json={"key": OTHER})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "models_would_stop")
    assert problem["models"] == ["ft:gpt-4o-mini:acme::1"]
    assert problem["other_organisation"] is True
    assert (await shown(world))["last4"] == SECRET[-4:]
    wrong = {"key": OTHER, "accept_loss": ["another"]}
    assert (await world.call("PUT", "/v1/agents/shop/keys/openai", json=wrong)).status_code == 409
    taken = await world.key(OTHER, accept_loss=problem["models"])
    assert (taken["last4"], taken["version"]) == (OTHER[-4:], 1)
    assert taken["key_id"] != key["key_id"]

    async def gone() -> bool:
        return await versions(world, key["key_id"]) == []

    await until(gone)
    again = await world.key(SECRET, accept_loss=problem["models"])
    assert (again["key_id"], again["version"]) == (key["key_id"], 1)


async def test_a_removed_key_is_deleted_from_the_vault(world: AgentWorld) -> None:
    key = await world.key()
    await world.ok("DELETE", "/v1/agents/shop/keys/openai")

    async def gone() -> bool:
        return await versions(world, key["key_id"]) == []

    await until(gone)
    assert (await world.key())["version"] == 1
    assert (await world.ok("POST", "/v1/agents/shop/keys/openai/check"))["infer"] == "yes"
    actions = [one["action"] for one in (await world.ok("GET", "/v1/audit"))["items"]]
    assert actions[:3] == ["key.checked", "key.put", "key.deleted"]


async def test_a_master_key_that_is_not_the_one_of_the_stored_keys_is_named(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    file = tmp_path / "master"
    settings = {"master_key": "", "master_key_file": str(file)}
    file.write_text(old)
    async with agent_world(surroundings, tmp_path, **settings) as world:
        await world.agent()
        await world.key()
        assert "master-key" not in (await missing(world))
    file.write_text(new)
    async with agent_world(surroundings, tmp_path, **settings) as world:

        async def named() -> str:
            return (await missing(world)).get("master-key", "")

        said = await until(named)
        assert said.startswith("2 stored secrets were sealed by a master key that is not here")
        assert master_key_id(base64.b64decode(old)).hex() in said
        assert old not in said
    file.write_text(f"{new}\n{old}")
    async with agent_world(surroundings, tmp_path, **settings) as world:

        async def resealed() -> bool:
            rows = await world.rows("SELECT substr(sealed, 2, 8) AS id FROM vault.secrets")
            return {bytes(row["id"]) for row in rows} == {master_key_id(base64.b64decode(new))}

        await until(resealed)
        assert await missing(world) == {}


async def test_after_a_lost_master_key_owners_enter_their_keys_again_as_the_docs_say(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    async with agent_world(surroundings, tmp_path, master_key=old) as world:
        await world.agent()
        await world.key()
    async with agent_world(surroundings, tmp_path, master_key=new) as world:
        lost = master_key_id(base64.b64decode(old)).hex()
        (statement,) = [line for line in SECURITY.read_text().splitlines() if line.startswith("DELETE FROM")]
        async with dump.owner_of(surroundings.databases, surroundings.database, "agent_svc") as owner:
            assert await owner.execute(statement.replace("ID", lost)) == "DELETE 2"
        assert (await world.key())["infer"] == "yes"
        assert (await world.ok("POST", "/v1/agents/shop/keys/openai/check"))["infer"] == "yes"


async def missing(world: AgentWorld) -> dict[str, str]:
    """What agent-svc says that it lacks."""
    client = await world.running.client()
    answer: dict[str, str] = (await client.get(world.running.ops + "/readyz")).json()["missing"]
    return answer


async def test_master_keys_are_rotated_without_a_stop(surroundings: Surroundings, tmp_path: Path) -> None:
    old, new = os.urandom(32), os.urandom(32)
    file = tmp_path / "master"
    file.write_text(base64.b64encode(old).decode())
    settings = {"master_key": "", "master_key_file": str(file)}
    async with agent_world(surroundings, tmp_path, **settings) as world:
        await world.agent()
        key = await world.key()
        file.write_text(f"{base64.b64encode(new).decode()}\n{base64.b64encode(old).decode()}")

        async def resealed() -> bool:
            rows = await world.rows("SELECT substr(sealed, 2, 8) AS id FROM vault.secrets")
            return {bytes(row["id"]) for row in rows} == {master_key_id(new)}

        await until(resealed)
        file.write_text(base64.b64encode(new).decode())
        checked = await world.ok("POST", "/v1/agents/shop/keys/openai/check")
        assert (checked["infer"], checked["fingerprint"]) == ("yes", key["fingerprint"])
        assert (await world.key())["key_id"] == key["key_id"]
        metrics = (await (await world.running.client()).get(world.running.ops + "/metrics")).text
        assert "mortarboard_secrets_under_older_keys 0.0" in metrics
