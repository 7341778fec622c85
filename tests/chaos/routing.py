"""What happens to an agent's route in the routing ledger: activations, rollbacks, failures, in any order."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from uuid_utils.compat import uuid7

from chassis.envelope import encode_headers, new_headers
from contracts.agents import SharedTarget, Target
from contracts.event import Event
from contracts.topics import message_key
from contracts.training import ModelActivated
from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import Surroundings
from tests.harness import Running, until

CHAT = "/v1/chat/completions"
MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14")
MISSING = "ft:gpt-4o-mini-2024-07-18:nobody:gone:1"
FALLBACK = "gpt-4.1-mini-2025-04-14"
FLAKY_SECRET = "sk-flaky-0123456789abcdef"
SURE_SECRET = "sk-sure-0123456789abcdef0"


@dataclass
class Ledger:
    """What was asked for and what was seen."""

    activations: list[str] = field(default_factory=list)
    rollbacks: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    newest_seen: int = 0
    older_answers: list[str] = field(default_factory=list)


@dataclass
class Routing:
    """Three instances, an agent with keys at two providers, and whoever changes its route."""

    surroundings: Surroundings
    simulator: RunningSimulator
    instances: list[Running]
    producer: AIOKafkaProducer
    keys: dict[str, str]
    dice: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    broken: bool = False
    chance: random.Random = field(default_factory=random.Random)
    """For whoever asks meanwhile: the acts are the seed's alone."""

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call to any instance; another one when it does not answer, as a load balancer would."""
        while True:
            one = self.chance.choice(self.instances)
            try:
                answer = await (await one.client()).request(method, path, **more)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500 or answer.status_code == 502:
                return answer
            await asyncio.sleep(0.05)

    async def version(self) -> int:
        """The route's version."""
        return int((await self.call("GET", "/v1/agents/shop/route")).json()["route_version"])

    async def activate(self) -> None:
        """An activation, now and then a late one, now and then delivered twice."""
        seen = max(0, await self.version() - (self.dice.random() < 0.2))
        sure, flaky = ("sure", self.keys["sure"]), ("flaky", self.keys["flaky"])
        names = [
            *((model, *sure) for model in MODELS),
            *((model, *flaky) for model in MODELS),
            (MISSING, *sure),
        ]
        chosen = self.dice.sample(names, self.dice.choice((1, 2)))
        targets = tuple(
            SharedTarget(model=model, provider=provider, key_id=key, share=1 / len(chosen))
            for model, provider, key in chosen
        )
        event = ModelActivated(
            activation_id=str(uuid7()),
            agent_id="shop",
            expected_route_version=seen,
            targets=targets,
            fallback=Target(model=FALLBACK, provider="sure", key_id=self.keys["sure"]),
            by="owner",
            reason="chaos",
        )
        self.ledger.activations.append(event.activation_id)
        await self._send(event, len(self.ledger.activations), self.dice.choice((1, 1, 2)))

    async def _send(self, event: Event, sequence: int, times: int) -> None:
        headers = new_headers(event, tenant="acme", source="/training") | {"ce_sequence": str(sequence)}
        for _ in range(times):
            await self.producer.send_and_wait(
                self.surroundings.topic_prefix + event.TOPIC,
                event.body(),
                key=message_key("acme", "shop"),
                headers=encode_headers(headers),
            )

    async def roll_back(self) -> None:
        """A rollback, now and then sent twice under its key."""
        key = str(uuid7())
        for _ in range(self.dice.choice((1, 1, 2))):
            headers = {"Idempotency-Key": key}
            answer = await self.call("POST", "/v1/agents/shop/rollback", headers=headers)
            if answer.status_code == 200:
                self.ledger.rollbacks.add(key)

    async def fail(self) -> None:
        """One provider begins or ends to refuse its key, and somebody asks."""
        if self.broken:
            await asyncio.to_thread(self.simulator.admin, "DELETE", "faults")
        else:
            match = {"key": FLAKY_SECRET, "path": CHAT}
            await asyncio.to_thread(self.simulator.add_fault, "unauthorized", match=match, times=None)
        self.broken = not self.broken
        await asyncio.gather(*(self.ask(one, f"d{self.dice.randrange(100)}") for one in self.instances))

    async def ask(self, one: Running, dialog: str) -> str:
        """Ask an instance; an answer by an older route than one already seen goes into the ledger."""
        newest = self.ledger.newest_seen
        body = {"model": "agent:shop", "messages": [{"role": "user", "content": "Hello?"}]}
        try:
            answer = await (await one.client()).post(CHAT, json=body, headers={"X-Dialog-Id": dialog})
        except httpx.TransportError:
            return ""
        if answer.status_code != 200:
            self.ledger.counts[f"answered {answer.status_code}"] += 1
            return ""
        version = int(answer.headers["x-route-version"])
        self.ledger.counts["answered"] += 1
        if version < newest:
            self.ledger.older_answers.append(f"{one.log.name}: {version} after {newest}")
        self.ledger.newest_seen = max(self.ledger.newest_seen, version)
        return str(answer.headers["x-model"])

    async def watch(self) -> None:
        """Ask every instance again and again."""
        while True:
            await asyncio.gather(*(self.ask(one, f"w{self.chance.randrange(100)}") for one in self.instances))
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """SIGKILL, and a replacement in the same slot."""
        victim = self.dice.choice(self.instances)
        victim.send(signal.SIGKILL)
        if victim.process is not None:
            await asyncio.to_thread(victim.process.wait)
        victim.start()

    async def history(self) -> list[dict[str, Any]]:
        """All that was said of the route, oldest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = (await self.call("GET", f"/v1/agents/shop/route/history?limit=200{cursor}")).json()
            found += page["items"]
            if not page["next_cursor"]:
                return found[::-1]
            cursor = f"&cursor={page['next_cursor']}"

    async def settled(self) -> list[dict[str, Any]]:
        """The history once every activation is decided and nothing is out that the provider answers for."""
        await asyncio.to_thread(self.simulator.admin, "DELETE", "faults")
        await asyncio.gather(*(one.ready() for one in self.instances))

        async def over() -> Any:
            route = (await self.call("GET", "/v1/agents/shop/route")).json()
            out = [one for one in route["outages"] if one["model"] != MISSING]
            entries = await self.history()
            decided = sum(one["reason"] in {"activated", "rejected"} for one in entries)
            return entries if decided >= len(self.ledger.activations) and not out else None

        found: list[dict[str, Any]] = await until(over, 90, "every activation decided, every outage over")
        return found
