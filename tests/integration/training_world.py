"""What tests of training-svc share: a simulator, an agent with a sealed key, requests to train."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import yaml
from aiokafka import AIOKafkaProducer
from openai import AsyncOpenAI

from chassis.keyring import Keyring
from chassis.objects import ObjectStore, tenant_prefix
from chassis.vault import SecretId, Vault
from contracts.agents import AgentUpdated, ProviderKey
from contracts.datasets import DatasetReady, TrainingFile, TrainingFiles
from deploy.simulator.testing import RunningSimulator, question_lines
from deploy.stack.services import Surroundings, simulated_catalogue
from tests.harness import Running, bodies, instance, publish, publisher, until

BASE = "gpt-4o-mini-2024-07-18"
FINGERPRINT = "ab" * 32
VARIABLES = {"resource": "my-shop", "host": "trainer"}
FAST = {
    "confirm_gap": "0.3",
    "provider_timeout": "1.0",
    "follow_fast": "0.1",
    "follow_interval": "0.2",
    "attention_interval": "0.3",
    "claim_every": "0.05",
    "lease_seconds": "2",
    "drivers": "2",
    "session_timeout": "3",
}


@dataclass
class World:
    """The provider, the servers and one agent of one tenant."""

    simulator: RunningSimulator
    surroundings: Surroundings
    producer: AIOKafkaProducer
    folder: Path
    tenant: str = "acme"
    agent: str = "shop"
    key: str = "sk-owner-of-acme"
    key_id: str = field(default_factory=lambda: str(uuid4()))
    provider: str = "openai"
    base: str = BASE
    instances: list[Running] = field(default_factory=list)

    def instance(self, slot: str = "1", **settings: str) -> Running:
        """An instance of training-svc, not started."""
        running = instance(self.surroundings, "training-svc", self.folder, slot, **(FAST | settings))
        self.instances.append(running)
        return running

    async def started(self, slot: str = "1", **settings: str) -> Running:
        """An instance of training-svc that is ready."""
        running = self.instance(slot, **settings)
        running.start()
        await running.ready()
        return running

    async def seal_key(self, version: int = 1, key: str | None = None) -> None:
        """Put the key into the vault, as agent-svc does."""
        connection = await asyncpg.connect(
            self.surroundings.databases.url(self.surroundings.database, "agent_svc")
        )
        vault = Vault(Keyring.of(base64.b64decode(self.surroundings.master_key)))
        await vault.put(connection, SecretId(self.tenant, self.key_id, version), key or self.key)
        await connection.close()

    async def announce_agent(self, version: int = 1, sequence: int = 1) -> None:
        """Publish the agent with its key."""
        known = ProviderKey(
            key_id=self.key_id,
            version=version,
            provider=self.provider,
            variables=VARIABLES,
            last4="acme",
            fingerprint="f",
            training="unverified",
            infer="yes",
        )
        event = AgentUpdated(
            agent_id=self.agent,
            version=sequence,
            name="Shop",
            prompt="Answer.",
            tools=(),
            fingerprint=FINGERPRINT,
            base_model=self.base,
            provider=self.provider,
            idle_seconds=60,
            recorded_by="backend",
            keys=(known,),
        )
        await publish(self.producer, self.surroundings, [event], self.tenant, "/agent-svc", [sequence])

    async def request(self, examples: int = 12, **more: Any) -> DatasetReady:
        """Freeze a dataset into object storage and return the request to train on it, not yet published."""
        content = question_lines("Where is order {}?", "Order {} is on its way.", examples)
        run_id = more.pop("run_id", str(uuid4()))
        uri = f"{tenant_prefix(self.tenant)}versions/{run_id}.jsonl"
        await ObjectStore(self.surroundings.objects.as_uri()).put(uri, content)
        file = TrainingFile(
            uri=uri,
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            examples=examples,
            tokens=examples * 20,
        )
        given = {
            "run_id": run_id,
            "dataset_id": str(uuid4()),
            "version": 1,
            "agent_id": self.agent,
            "agent_version": 1,
            "base_model": self.base,
            "provider": self.provider,
            "key_id": self.key_id,
            "method": "supervised",
            "files": TrainingFiles(training=file),
            "prompt_fingerprint": FINGERPRINT,
            "hyperparameters": {"n_epochs": 3},
        }
        return DatasetReady(**(given | more))

    async def publish(self, *events: Any, source: str = "/dataset-svc") -> None:
        """Publish events as dataset-svc or agent-svc would."""
        await publish(self.producer, self.surroundings, events, self.tenant, source)

    async def row(self, run_id: str) -> asyncpg.Record | None:
        """The run's row, as the database has it."""
        async with self.surroundings.databases.connection(self.surroundings.database) as admin:
            return await admin.fetchrow("SELECT * FROM training_svc.runs WHERE run_id = $1", run_id)

    async def row_when(self, run_id: str, within: float = 30, **wanted: Any) -> asyncpg.Record:
        """The run's row once these columns have these values."""

        async def look() -> Any:
            row = await self.row(run_id)
            return row if row and all(row[name] == value for name, value in wanted.items()) else None

        return await until(look, within, f"{wanted} of {run_id}; {self.logs()}")

    async def requests(self) -> dict[str, int]:
        """How often each call was made at the provider."""
        counts: dict[str, int] = self.simulator.admin("GET", "requests")["requests"]
        return counts

    async def called(self, call: str, times: int = 1) -> None:
        """Wait until a call reached the provider."""

        async def look() -> bool:
            return (await self.requests()).get(call, 0) >= times

        await until(look, 30, f"{call}; {self.logs()}")

    async def files(self, run_id: str) -> list[str]:
        """The ids of the run's files at the provider, asked as its owner."""
        client = AsyncOpenAI(api_key=self.key, base_url=self.simulator.base_url, max_retries=0)
        async with client:
            return [one.id async for one in client.files.list() if one.filename.startswith(run_id)]

    def jobs(self, run_id: str) -> list[dict[str, Any]]:
        """The run's jobs in the provider's ledger."""
        return [job for job in self.simulator.ledger() if (job["metadata"] or {}).get("run_id") == run_id]

    async def statuses(self, run_id: str) -> list[dict[str, Any]]:
        """The run's snapshots, in order."""
        found = await bodies(self.surroundings, "training.status")
        return [body for body in found if body.get("run_id") == run_id]

    def logs(self) -> str:
        """The end of each instance's log."""
        return "\n".join(one.log.read_text()[-1500:] for one in self.instances if one.log.exists())


@asynccontextmanager
async def world(
    surroundings: Surroundings,
    folder: Path,
    speed: float = 40.0,
    provider: str = "openai",
    base: str = BASE,
    change: Callable[[dict[str, Any]], None] | None = None,
) -> AsyncIterator[World]:
    """A world with a known key; whatever instances run at the end are killed.

    `change` may change a provider's entry in the catalogue.
    """
    with RunningSimulator(folder / "simulator", speed=speed) as simulator:
        path = folder / "catalogue.yaml"
        catalogue = yaml.safe_load(simulated_catalogue(simulator.address))
        if change is not None:
            change(next(one for one in catalogue["providers"] if one["id"] == provider))
        path.write_text(yaml.safe_dump(catalogue))
        async with publisher(surroundings) as producer:
            made = World(
                simulator,
                replace(surroundings, catalogue=path),
                producer,
                folder,
                provider=provider,
                base=base,
            )
            await made.seal_key()
            await made.announce_agent()
            try:
                yield made
            finally:
                for one in made.instances:
                    for client in one.clients.values():
                        await client.aclose()
                    if one.process is not None:
                        one.process.kill()
                        one.process.wait()
