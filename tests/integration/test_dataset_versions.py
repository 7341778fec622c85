"""Versions: what blocks a freeze, the split, prompt and functions, the manifest, what differs."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chassis.catalogue import Catalogue
from chassis.errors import Problem
from dataset_svc.domain.edits import EditText
from dataset_svc.domain.message import Messages
from dataset_svc.domain.training import NO_KEY
from dataset_svc.inbound import views
from dataset_svc.outbound import freeze_store, run_store
from dataset_svc.usecases.compare_versions import compare_versions
from dataset_svc.usecases.freeze_version import FreezeSettings, preview_split
from dataset_svc.usecases.request_training import TrainSettings, request_training
from dataset_svc.usecases.take_agent import take_agent
from dataset_svc.usecases.write_version import ErasedMeanwhileError, Freezer
from deploy.simulator.validate import validate_file
from deploy.stack.prepared import Prepared
from deploy.stack.services import CATALOGUE
from tests.damage import SOUND, TOOLS
from tests.integration.curation import TENANT, Curation, agent_of, curating


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as made:
        yield made


def talk(number: int, version: int | None = None) -> Messages:
    return tuple(
        replace(one, content=f"{one.content} ({number})")
        if one.role == "user"
        else replace(one, agent_version=version if one.is_answer else None)
        for one in SOUND
    )


def talks(count: int) -> list[Messages]:
    return [talk(number) for number in range(count)]


async def refusal(curation: Curation, dataset: Any, least: int = 10, **settings: Any) -> Problem:
    with pytest.raises(Problem) as refused:
        await curation.freeze(dataset, least, **settings)
    return refused.value


async def test_what_blocks_a_freeze_names_it_and_an_exclusion_lets_it_go_on(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *talks(40))
    assert (await refusal(curation, dataset)).code == "checks_pending"
    await curation.check()
    broken = talk(99)
    (wrong,) = await curation.take(dataset, (*broken[:3], *broken[5:]))
    await curation.edit(wrong, EditText("a3", "As you hinted."))
    await curation.agent(tools=TOOLS, prompt="<|endoftext|>", version=2)
    blocked = await refusal(curation, dataset)
    assert (blocked.code, blocked.extra["errors"][0]["field"]) == ("errors_block_freezing", "agent.prompt")
    await curation.agent(tools=[], prompt="Be brief.", version=3)
    await curation.check()
    blocked = await refusal(curation, dataset)
    assert [(one["code"], one["examples"]) for one in blocked.extra["errors"]] == [("function_unknown", 40)]
    few = await refusal(curation, dataset, exclude=tuple(examples))
    assert (few.code, few.extra["training"], few.extra["excluded"]) == ("too_few_examples", 1, 40)
    version = await curation.freeze(dataset, 1, exclude=tuple(examples))
    assert (version["state"], version["examples"]) == ("ready", 1)
    assert [(one["code"], one["examples"]) for one in version["warnings"]] == [("answer_speaks_of_hint", 1)]


async def test_another_version_of_the_agent_that_comes_during_a_freeze_waits_or_is_waited_for(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(12))
    await curation.check()
    async with curation.database.transaction() as transaction:
        await take_agent(transaction, tenant=TENANT, agent=agent_of("shop", [], "Second.", 2))
        freezing = asyncio.create_task(refusal(curation, dataset, 1))
        await curation.somebody_waits()
    # it read the agent and what is due only when the other was committed
    assert (await freezing).code == "errors_block_freezing"


async def test_the_files_hold_the_split_that_was_shown_and_duplicates_train(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(300), *talks(40))
    await curation.check()
    async with curation.database.transaction() as transaction:
        shown = await preview_split(transaction.connection, TENANT, dataset, FreezeSettings())
    assert (shown.share, shown.twins, shown.training + shown.validation) == (0.1, 80, 340)
    assert 10 < shown.validation < 45
    first, second = await curation.freeze(dataset), await curation.freeze(dataset)
    files = first["manifest"]["files"]
    assert files["training"]["sha256"] == second["manifest"]["files"]["training"]["sha256"]
    training, validation = curation.lines(files["training"]), curation.lines(files["validation"])
    assert (len(training), len(validation)) == (shown.training, shown.validation)
    seen = {json.dumps(one) for one in training}
    assert not any(json.dumps(one) in seen for one in validation)
    for name, lines in (("training", training), ("validation", validation)):
        report = validate_file(curation.path(files[name]))
        assert (report.problem, report.examples) == (None, len(lines))
    none = await curation.freeze(dataset, validation_share=0.0)
    assert set(none["manifest"]["files"]) == {"training"}
    assert (await refusal(curation, dataset, 300, validation_share=0.5)).code == "too_few_examples"


async def test_the_default_share_does_not_count_what_is_excluded(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *talks(60))
    await curation.check()
    async with curation.database.transaction() as transaction:
        wanted = FreezeSettings(exclude=tuple(examples[:11]))
        shown = await preview_split(transaction.connection, TENANT, dataset, wanted)
    assert (shown.default, shown.training, shown.validation) == (0.0, 49, 0)


async def test_a_request_to_train_needs_as_many_examples_as_its_base_model(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(12))
    await curation.check()
    await curation.freeze(dataset, validation_share=0.0)
    assert await train_refusal(curation, dataset, 13) == "too_few_examples"
    assert await train_refusal(curation, dataset, 12) == "no_provider_key"
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute(
            "UPDATE dataset_versions SET state = 'freezing', manifest = NULL"
        )
    assert await train_refusal(curation, dataset, 13) == "too_few_examples"
    assert await train_refusal(curation, dataset, 12) == "no_provider_key"


async def train_refusal(curation: Curation, dataset: Any, least: int) -> str:
    with pytest.raises(Problem) as refused:
        async with curation.database.transaction() as transaction:
            await request_training(
                transaction, tenant=TENANT, by="olga", dataset_id=dataset, version=1,
                wanted=TrainSettings(None, None, {}, None, None, None),
                catalogue=Catalogue(None, least=least),
            )  # fmt: skip
    return refused.value.code


async def test_a_file_to_take_away_needs_no_key(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(3))
    await curation.check()
    await curation.freeze(dataset)
    async with curation.database.transaction() as transaction:
        run_id = await request_training(
            transaction, tenant=TENANT, by="olga", dataset_id=dataset, version=1,
            wanted=TrainSettings("any", "file", {}, None, None, None), catalogue=Catalogue(CATALOGUE),
        )  # fmt: skip
        settings = await transaction.connection.fetchval(
            "SELECT settings FROM train_requests WHERE run_id = $1", run_id
        )
    assert settings["key_id"] == NO_KEY


async def test_only_the_newest_claim_gives_up_a_version_and_its_requests(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(3))
    await curation.check()
    await curation.freeze(dataset)
    claims = []
    async with curation.database.transaction() as transaction:
        connection = transaction.connection
        await run_store.insert(
            connection, TENANT, run_id=uuid4(), dataset_id=dataset, version=1, provider="openai",
            digest="0", settings={}, by="olga",
        )  # fmt: skip
        await connection.execute("UPDATE dataset_versions SET state = 'freezing', manifest = NULL")
        for _ in range(2):
            await connection.execute("UPDATE dataset_versions SET claimed_until = '-infinity'")
            claims.append(await freeze_store.claim(connection, 60))
    freezer, told = Freezer(curation.database, curation.objects, lease=60), []
    for claimed in claims:
        assert claimed is not None
        await freezer._give_up(claimed, "freeze_keeps_failing")
        async with curation.database.transaction() as transaction:
            told.append(
                await transaction.connection.fetchrow(
                    "SELECT v.state, r.is_final FROM dataset_versions v JOIN train_requests r USING (version)"
                )
            )
    assert [tuple(one or ()) for one in told] == [("freezing", False), ("failed", True)]


async def test_the_manifest_tells_what_was_frozen(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *talks(60))
    await curation.check()
    version = await curation.freeze(dataset)
    manifest = version["manifest"]
    for file in (*manifest["files"].values(), manifest["example_list"]):
        body = curation.path(file).read_bytes()
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (file["sha256"], file["bytes"])
    listed = curation.lines(manifest["example_list"])
    assert {one["example_id"] for one in listed} == set(map(str, examples))
    assert {(one["revision"], one["agent_version"]) for one in listed} == {(1, 1)}
    assert [one["part"] for one in listed].count("validation") == manifest["files"]["validation"]["examples"]
    assert manifest["settings"] == {
        "agent": "current", "validation_share": 0.1, "exclude": [], "min_examples": 1,
        "near_duplicates": 0, "moved": 0,
    }  # fmt: skip
    assert (manifest["examples"], manifest["agent_versions"]) == (60, [1])
    assert manifest["tokens"] == sum(one["tokens"] for one in manifest["files"].values())


async def test_as_recorded_each_example_stands_with_the_version_it_was_answered_under(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS, prompt="First.", version=1)
    await curation.agent(tools=TOOLS, prompt="Second.", version=2)
    await curation.take_dialogs(dataset, *(talk(number, version=1 + number % 2) for number in range(40)))
    await curation.take(dataset, talk(99))
    await curation.check()
    recorded = await curation.freeze(dataset, agent="as_recorded")
    lines = curation.lines(recorded["manifest"]["files"]["training"])
    prompts = [one["messages"][0]["content"] for one in lines]
    assert (prompts.count("First."), prompts.count("Second.")) == (20, 21)
    assert recorded["manifest"]["agent_versions"] == [1, 2]
    current = await curation.freeze(dataset)
    lines = curation.lines(current["manifest"]["files"]["training"])
    assert {one["messages"][0]["content"] for one in lines} == {"Second."}
    (unknown,) = await curation.take_dialogs(dataset, talk(100, version=7))
    problem = await refusal(curation, dataset, agent="as_recorded")
    assert (problem.code, problem.extra["versions"]) == ("agent_version_unknown", [7])
    assert (await curation.freeze(dataset, agent="as_recorded", exclude=(unknown,)))["state"] == "ready"


async def test_as_recorded_what_another_agent_answered_stands_with_the_current_version(
    curation: Curation,
) -> None:
    other = await curation.agent("other", TOOLS, prompt="Theirs.")
    dataset = await curation.agent(tools=TOOLS, prompt="First.", version=1)
    await curation.agent(tools=TOOLS, prompt="Second.", version=2)
    theirs = await curation.take_dialogs(other, *(talk(one, version=1) for one in range(6)), agent_id="other")
    await curation.copy(dataset, *theirs)
    await curation.take(dataset, *(talk(number, version=9) for number in range(6, 9)))
    await curation.check()
    recorded = await curation.freeze(dataset, agent="as_recorded")
    lines = curation.lines(recorded["manifest"]["files"]["training"])
    assert [one["messages"][0]["content"] for one in lines] == ["Second."] * 9


async def test_as_recorded_functions_that_changed_block_only_what_stands_with_the_current_ones(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS, prompt="First.", version=1)
    await curation.take_dialogs(dataset, *(talk(number, version=1) for number in range(5)))
    (current,) = await curation.take_dialogs(dataset, talk(5, version=2))
    (own,) = await curation.take(dataset, talk(6))
    await curation.agent(tools=[], prompt="Second.", version=2)
    await curation.check()
    blocked = await refusal(curation, dataset, 1)
    assert [(one["code"], one["examples"]) for one in blocked.extra["errors"]] == [("function_unknown", 7)]
    blocked = await refusal(curation, dataset, 1, agent="as_recorded")
    (error,) = blocked.extra["errors"]
    assert (error["code"], set(error["first"])) == ("function_unknown", {str(current), str(own)})
    recorded = await curation.freeze(dataset, agent="as_recorded", exclude=(current, own))
    lines = curation.lines(recorded["manifest"]["files"]["training"])
    assert [one["tools"] for one in lines] == [TOOLS] * 5


async def test_versions_differ_by_example_and_message_and_never_change(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *talks(12))
    await curation.check()
    first = await curation.freeze(dataset)
    body = curation.path(first["manifest"]["files"]["training"]).read_bytes()
    await curation.edit(examples[0], EditText("a3", "At Oslo."))
    await curation.remove(examples[1])
    (added,) = await curation.take(dataset, talk(50))
    await curation.agent(tools=TOOLS, prompt="Be kind.", version=2)
    await curation.check()
    await curation.freeze(dataset)
    async with curation.database.tenant_transaction(TENANT) as transaction:
        compared = await compare_versions(transaction.connection, TENANT, dataset, 1, 2, None, 10)
    assert dict(compared.counts) == {"added": 1, "removed": 1, "changed": 1, "moved": 0, "same": 10}
    told = {one["example_id"]: one for one in map(views.example_diff, compared.rows)}
    assert told[str(examples[1])]["change"] == "removed"
    assert told[str(added)]["change"] == "added"
    (message,) = told[str(examples[0])]["messages"]
    assert (message["message_id"], message["change"], message["fields"]) == ("a3", "edited", ["content"])
    assert (message["before"]["content"], message["after"]["content"]) == ("At Sino.", "At Oslo.")
    agent = views.version_diff(compared)["agent"]
    assert (agent["prompt_changed"], agent["functions_changed"]) == (True, False)
    assert curation.path(first["manifest"]["files"]["training"]).read_bytes() == body


async def test_a_takeover_writes_the_same_bytes_and_the_one_that_lost_leaves_nothing(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(100))
    await curation.check()
    done = await curation.freeze(dataset)
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute(
            "UPDATE dataset_versions SET state = 'freezing', manifest = NULL, claimed_until = '-infinity'"
        )
    slow = Freezer(curation.database, curation.objects, lease=-1)
    with pytest.raises(Exception, match="another process freezes"):
        # its lease is over at once: the other takes over while this one is in its first file
        await _overtaken(curation, slow)
    async with curation.database.transaction() as transaction:
        row = await transaction.connection.fetchrow("SELECT * FROM dataset_versions")
    assert row is not None
    assert row["state"] == "ready"
    files = row["manifest"]["files"]
    assert {name: one["sha256"] for name, one in files.items()} == {
        name: one["sha256"] for name, one in done["manifest"]["files"].items()
    }
    assert {name.split(".")[0] for name in objects(curation)} == {f"v1-{row['epoch']}"}


def objects(curation: Curation) -> list[str]:
    """The names of all that versions left in object storage."""
    return sorted(one.name for one in curation.folder.rglob("v*.jsonl"))


async def again(curation: Curation) -> None:
    """Let whoever comes next claim what is being frozen."""
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute("UPDATE dataset_versions SET claimed_until = '-infinity'")


async def test_an_erasure_while_a_version_is_written_makes_it_start_again(curation: Curation) -> None:
    dataset = await curation.agent(tools=TOOLS)
    examples = await curation.take(dataset, *talks(12))
    await curation.check()
    freezer = Freezer(curation.database, curation.objects, lease=60)
    listed = freezer._listed

    async def erasing(*around: Any) -> AsyncIterator[bytes]:
        async for lines in listed(*around):
            yield lines
        async with curation.database.transaction() as transaction:
            await transaction.connection.execute(
                "DELETE FROM example_revisions WHERE example_id = $1", examples[0]
            )

    freezer._listed = erasing  # type: ignore[method-assign,assignment]
    await curation.begin(dataset)
    with pytest.raises(ErasedMeanwhileError):
        await freezer.freeze_next()
    assert objects(curation) == []
    await again(curation)
    version = await curation.written(dataset, 1)
    assert (version["state"], version["epoch"], version["manifest"]["examples"]) == ("ready", 2, 11)
    assert objects(curation) == ["v1-2.examples.jsonl", "v1-2.jsonl"]


async def test_what_a_crash_left_goes_with_the_next_attempt_or_when_it_is_given_up(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(12))
    await curation.check()
    for version in (1, 2):
        await curation.begin(dataset)
        folder = f"tenants/{TENANT}/datasets/{dataset}"
        await curation.objects.put(f"{folder}/v{version}-1.jsonl", b"of a crash")
        async with curation.database.transaction() as transaction:
            await transaction.connection.execute(
                "UPDATE dataset_versions SET epoch = $1 WHERE version = $2",
                1 if version == 1 else 100,
                version,
            )
        state = (await curation.written(dataset, version))["state"]
        assert state == ("ready" if version == 1 else "failed")
    assert objects(curation) == ["v1-2.examples.jsonl", "v1-2.jsonl"]


async def test_a_version_keeps_its_files_when_only_the_answer_to_its_commit_was_lost(
    curation: Curation,
) -> None:
    dataset = await curation.agent(tools=TOOLS)
    await curation.take(dataset, *talks(12))
    await curation.check()
    freezer = Freezer(curation.database, curation.objects, lease=60)
    freeze = freezer._freeze

    async def lost(claimed: Any) -> None:
        await freeze(claimed)
        raise ConnectionResetError

    freezer._freeze = lost  # type: ignore[method-assign]
    await curation.begin(dataset)
    with pytest.raises(ConnectionResetError):
        await freezer.freeze_next()
    version = await curation.written(dataset, 1)
    assert (version["state"], len(curation.lines(version["manifest"]["files"]["training"]))) == ("ready", 12)


async def _overtaken(curation: Curation, slow: Freezer) -> None:
    other = Freezer(curation.database, curation.objects, lease=60)
    original = slow._prolong

    async def late(claimed: Any) -> None:
        assert await other.freeze_next()
        await original(claimed)

    slow._prolong = late  # type: ignore[method-assign]
    await slow.freeze_next()
