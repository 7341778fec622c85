"""dataset-svc's use cases on a real database, without Kafka: agents, examples, checks, versions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson

from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.objects import ObjectStore
from contracts.agents import Tool
from contracts.fingerprint import prompt_fingerprint
from dataset_svc.domain.dialog import Candidate
from dataset_svc.domain.edits import EditText, SetWeight
from dataset_svc.domain.message import Messages, dump
from dataset_svc.outbound import agent_store, candidate_store, finding_store, version_store
from dataset_svc.outbound.side_process import SideProcess
from dataset_svc.usecases.check_examples import Checker
from dataset_svc.usecases.edit_example import edit_example, lock_example
from dataset_svc.usecases.freeze_version import FreezeSettings, begin_version
from dataset_svc.usecases.group_examples import Grouper
from dataset_svc.usecases.open_example import open_copy, open_from_dialog, open_from_messages
from dataset_svc.usecases.save_example import remove_example, save_example
from dataset_svc.usecases.take_agent import take_agent
from dataset_svc.usecases.write_version import Freezer
from deploy.stack.prepared import Prepared
from tests.harness import until

TENANT = "acme"


@dataclass
class Curation:
    """One tenant's curation; every call is a transaction of its own."""

    database: Database
    objects: ObjectStore
    folder: Path
    side: SideProcess

    async def agent(
        self, agent_id: str = "shop", tools: Sequence[Any] = (), prompt: str = "Be brief.", version: int = 1
    ) -> UUID:
        """Take in an agent's version; returns its dataset."""
        async with self.database.transaction() as transaction:
            await take_agent(transaction, tenant=TENANT, agent=agent_of(agent_id, tools, prompt, version))
            return await agent_store.ensure_dataset(transaction.connection, TENANT, agent_id)

    async def take(
        self, dataset: UUID, *talks: Messages, save: bool = True, edits: Sequence[EditText] = ()
    ) -> list[UUID]:
        """Make examples of messages, edited and saved in one transaction."""
        made = []
        async with self.database.transaction() as transaction:
            for talk in talks:
                opened = await open_from_messages(
                    transaction, tenant=TENANT, by="olga", dataset_id=dataset, messages=talk
                )
                made.append(opened.id)
                if edits:
                    await edit_example(
                        transaction, tenant=TENANT, by="olga", example_id=opened.id, seen=None,
                        operations=edits,
                    )  # fmt: skip
                if save:
                    row = await lock_example(transaction.connection, TENANT, opened.id)
                    await save_example(transaction, tenant=TENANT, by="olga", row=row)
        return made

    async def take_dialogs(self, dataset: UUID, *talks: Messages, agent_id: str = "shop") -> list[UUID]:
        """Take dialogs that this agent answered as saved examples."""
        made = []
        async with self.database.transaction() as transaction:
            for talk in talks:
                dialog = str(uuid4())
                candidate = Candidate(
                    dialog, 1, "", agent_id, "live", None, len(talk), datetime.now(UTC),
                    transcript=orjson.dumps(dump(talk)),
                )  # fmt: skip
                await candidate_store.put_candidates(transaction.connection, [(TENANT, candidate)])
                opened = await open_from_dialog(
                    transaction, self.objects, tenant=TENANT, by="olga", dataset_id=dataset,
                    dialog_id=dialog, revision=1,
                )  # fmt: skip
                row = await lock_example(transaction.connection, TENANT, opened.id)
                await save_example(transaction, tenant=TENANT, by="olga", row=row)
                made.append(opened.id)
        return made

    async def copy(self, dataset: UUID, *examples: UUID) -> list[UUID]:
        """Copy another agent's examples into this dataset and save them."""
        made = []
        async with self.database.transaction() as transaction:
            for example in examples:
                opened = await open_copy(
                    transaction, tenant=TENANT, by="olga", dataset_id=dataset, from_example_id=example
                )
                row = await lock_example(transaction.connection, TENANT, opened.id)
                await save_example(transaction, tenant=TENANT, by="olga", row=row)
                made.append(opened.id)
        return made

    async def edit(self, example: UUID, *operations: EditText | SetWeight, save: bool = True) -> None:
        """Edit an example, and save it."""
        async with self.database.transaction() as transaction:
            await edit_example(
                transaction, tenant=TENANT, by="olga", example_id=example, seen=None, operations=operations
            )
            if save:
                row = await lock_example(transaction.connection, TENANT, example)
                await save_example(transaction, tenant=TENANT, by="olga", row=row)

    async def remove(self, example: UUID) -> None:
        """Take an example out of its dataset."""
        async with self.database.transaction() as transaction:
            row = await lock_example(transaction.connection, TENANT, example)
            await remove_example(transaction, tenant=TENANT, by="olga", row=row)

    async def check(self) -> int:
        """Let the workers check and group all that is due; returns how many slices were checked."""
        checker, grouper, slices = Checker(self.database, self.side), Grouper(self.database, self.side), 0
        while await checker.check_next():
            slices += 1
        while await grouper.group_next():
            pass
        return slices

    async def codes(self, dataset: UUID, *, saved_only: bool = False) -> dict[str, int]:
        """How many examples each code was found in."""
        async with self.database.transaction() as transaction:
            rows = await finding_store.counts(transaction.connection, TENANT, dataset, saved_only=saved_only)
        return {row["code"]: row["examples"] for row in rows}

    async def found(self, dataset: UUID) -> dict[UUID, list[dict[str, Any]]]:
        """The findings of each example that has any."""
        async with self.database.transaction() as transaction:
            rows = await finding_store.page(
                transaction.connection, TENANT, dataset, code=None, severity=None, after=None, limit=10_000
            )
        return {row["example_id"]: row["findings"] for row in rows}

    async def freeze(self, dataset: UUID, least: int = 1, **settings: Any) -> dict[str, Any]:
        """Freeze a version; returns its row once it is written."""
        return await self.written(dataset, await self.begin(dataset, least, **settings))

    async def begin(self, dataset: UUID, least: int = 1, **settings: Any) -> int:
        """Pin a version; returns its number."""
        async with self.database.transaction() as transaction:
            return await begin_version(
                transaction, tenant=TENANT, by="olga", dataset_id=dataset,
                catalogue=Catalogue(None, least=least), wanted=FreezeSettings(**settings),
            )  # fmt: skip

    async def written(self, dataset: UUID, version: int) -> dict[str, Any]:
        """Let the worker write what is pinned; returns the version's row."""
        await Freezer(self.database, self.objects, lease=60).freeze_next()
        async with self.database.transaction() as transaction:
            row = await version_store.get(transaction.connection, TENANT, dataset, version)
        assert row is not None
        return dict(row)

    async def somebody_waits(self) -> None:
        """Return once a transaction waits for the lock of another one."""

        async def found() -> bool:
            async with self.database.transaction() as transaction:
                return bool(
                    await transaction.connection.fetchval(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                )

        await until(found)

    def path(self, file: dict[str, Any]) -> Path:
        """Where an object lies."""
        return self.folder / str(file["uri"])

    def lines(self, file: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines of a frozen file."""
        return [json.loads(line) for line in self.path(file).read_bytes().splitlines()]


def agent_of(agent_id: str, tools: Sequence[Any], prompt: str, version: int) -> dict[str, Any]:
    """An agent's version as it comes in."""
    typed = tuple(Tool.model_validate(one) for one in tools)
    return {
        "agent_id": agent_id, "version": version, "name": agent_id, "prompt": prompt, "keys": [],
        "tools": list(tools), "parallel_tool_calls": None, "base_model": "m", "provider": "openai",
        "fingerprint": prompt_fingerprint(prompt, typed),
    }  # fmt: skip


@asynccontextmanager
async def curating(servers: Prepared, database: str, folder: Path) -> AsyncIterator[Curation]:
    """Curation on a fresh database, with a side process that ends with it."""
    opened = Database(
        servers.databases.url(database, "dataset_svc"),
        servers.databases.url(database, "dataset_svc_http"),
        "dataset_svc",
        source="/mortarboard/dataset-svc",
    )
    side = SideProcess()
    await opened.open()
    try:
        yield Curation(opened, ObjectStore(folder.as_uri()), folder, side)
    finally:
        await side.close()
        await opened.close()
