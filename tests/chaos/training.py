"""What chaos tests of training-svc share: owners, each with a key of its own, and the provider's ledger."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg

from chassis.keyring import Keyring
from chassis.vault import SecretId, Vault
from contracts.agents import AgentUpdated, ProviderKey
from tests.harness import publish, until
from tests.integration.training_world import FINGERPRINT, VARIABLES, World

FINAL = ("ready", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Owner:
    """An agent with a key, which is an account at the provider."""

    number: int
    key_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def agent(self) -> str:
        return f"agent-{self.number}"

    @property
    def key(self) -> str:
        return f"sk-owner-{self.number:05d}-"

    def updated(self, base: str, provider: str) -> AgentUpdated:
        known = ProviderKey(
            key_id=self.key_id, version=1, provider=provider, last4="0000", fingerprint=str(self.number),
            training="unverified", infer="yes", variables=VARIABLES,
        )  # fmt: skip
        return AgentUpdated(
            agent_id=self.agent, version=1, name="Shop", prompt="Answer.", tools=(), fingerprint=FINGERPRINT,
            base_model=base, provider=provider, idle_seconds=60, recorded_by="backend", keys=(known,),
        )  # fmt: skip


async def owners(a_world: World, count: int) -> list[Owner]:
    """Make owners: their keys sealed, their agents published."""
    made = [Owner(number) for number in range(count)]
    databases = a_world.surroundings.databases
    connection = await asyncpg.connect(databases.url(a_world.surroundings.database, "agent_svc"))
    vault = Vault(Keyring.of(base64.b64decode(a_world.surroundings.master_key)))
    for one in made:
        await vault.put(connection, SecretId(a_world.tenant, one.key_id, 1), one.key)
    await connection.close()
    events = [one.updated(a_world.base, a_world.provider) for one in made]
    await publish(a_world.producer, a_world.surroundings, events, a_world.tenant, "/agent-svc")
    return made


async def rows_of(a_world: World, run_ids: Iterable[str]) -> dict[str, asyncpg.Record]:
    """The rows of runs, by id."""
    async with a_world.surroundings.databases.connection(a_world.surroundings.database) as admin:
        rows = await admin.fetch(
            "SELECT * FROM training_svc.runs WHERE run_id = ANY($1::uuid[])", list(run_ids)
        )
    return {str(row["run_id"]): row for row in rows}


async def all_ended(a_world: World, run_ids: Sequence[str], within: float) -> dict[str, asyncpg.Record]:
    """Wait until every run has ended; returns their rows."""

    async def look() -> Any:
        rows = await rows_of(a_world, run_ids)
        return (
            rows if len(rows) == len(run_ids) and all(r["status"] in FINAL for r in rows.values()) else None
        )

    try:
        return await until(look, within)
    except AssertionError:
        rows = await rows_of(a_world, run_ids)
        open_ones = Counter((r["status"], r["step"]) for r in rows.values() if r["status"] not in FINAL)
        raise AssertionError(f"still open: {open_ones}; {a_world.logs()}") from None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The provider's own count against ours."""

    runs: int
    jobs: int
    living: int
    succeeded: int
    ready: int
    failed: int


def settle(a_world: World, rows: dict[str, asyncpg.Record]) -> Ledger:
    """Hold every run against the provider's ledger: one living job at most, the run ended as that job did."""
    jobs: dict[str, list[dict[str, Any]]] = {run_id: [] for run_id in rows}
    for job in a_world.simulator.ledger():
        run_id = (job["metadata"] or {}).get("run_id") or job["training_file_name"][:36]
        jobs.setdefault(run_id, []).append(job)
    assert set(jobs) == set(rows), "jobs of runs that nobody asked for"
    wrong = []
    for run_id, row in rows.items():
        living = [job for job in jobs[run_id] if job["status"] != "cancelled"]
        ours = {"succeeded": "ready", "failed": "failed"}
        says = ours.get(living[0]["status"], living[0]["status"]) if living else "failed"
        if len(living) > 1 or says != row["status"] or (living and living[0]["id"] != row["job_id"]):
            wrong.append((run_id, row["status"], row["failure"], [job["status"] for job in jobs[run_id]]))
    assert not wrong, wrong
    every = [job for listed in jobs.values() for job in listed]
    counts = Counter(row["status"] for row in rows.values())
    states = Counter(job["status"] for job in every)
    living_jobs = len(every) - states["cancelled"]
    return Ledger(len(rows), len(every), living_jobs, states["succeeded"], counts["ready"], counts["failed"])


async def no_files_left(a_world: World, within: float) -> None:
    """Wait until no training file of any account lies at the provider."""

    async def look() -> bool:
        left: list[Any] = a_world.simulator.admin("GET", "files")["files"]
        return not left

    await until(look, within, "files are left at the provider")
