"""Fills a tenant with every state that the console can show, in two minutes.

Runs of each status, a model in service whose prompt has moved on, findings, near duplicates, suggestions,
an example with a hint left in it and one that somebody has open, a test chat with two branches, agents whose
keys behave badly. A second call adds to what is there.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.demo.backend import ChatBackend
from deploy.demo.dialogs import OWN, Dialog, load
from deploy.demo.owner import LOOK_AGAIN_S, Owner, RefusedError

MORE = Path(__file__).with_name("dialogs.jsonl")
MAIN, SLOW, POOR, NARROW, NEW = "flowers", "electronics", "books", "wine", "toys"
KEYS = {MAIN: "sk-seed-", SLOW: "sk-slow-", POOR: "sk-poor-", NARROW: "sk-narrow-"}
NAMES = {
    MAIN: "Petal, flower shop", SLOW: "Volta, electronics", POOR: "Leaf, bookshop", NARROW: "Cork, wine shop",
    NEW: "Yo-yo, toy shop",
}  # fmt: skip
HINTED, OPEN, LEFT_OUT = "demo-06", "demo-10", ("demo-15", "demo-17", "demo-22")
HINT = " (offer a card without a name)"
SECOND_PROMPT = (
    "You are the assistant of Petal, a flower shop in the old town. Answer in the client's language, in two "
    "sentences at most. Apologise first when something went wrong. Never promise an hour of delivery before "
    "you have asked for the price of the district. Look up orders, prices and stock with the functions; "
    "never guess them."
)
APART = timedelta(hours=7)
PATIENCE_S = 180.0
Say = Callable[[str], None]


@dataclass(slots=True)
class Filled:
    """What is where, for whoever wants to look at it."""

    examples: dict[str, str] = field(default_factory=dict)
    """The example of each dialog."""
    runs: dict[str, str] = field(default_factory=dict)
    """A run of each status."""
    chat: str = ""
    """The test chat."""
    models: list[str] = field(default_factory=list)
    """The models of the run that is ready, with those of its checkpoints."""


class States:
    """Makes them, one after another; `say` hears what is being made."""

    def __init__(self, owner: Owner, backend: ChatBackend, say: Say) -> None:
        self._owner, self._backend, self._say = owner, backend, say
        self._dialogs = [*load(OWN), *load(MORE)]
        self.filled = Filled()

    async def fill(self) -> Filled:
        """Make everything."""
        await self._agents()
        await self._publish()
        await self._datasets()
        await self._slow_run()
        await self._runs()
        await self._unlucky_runs()
        await self._test_chat()
        self._say("everything is there")
        return self.filled

    def _of(self, agent: str) -> list[Dialog]:
        return [one for one in self._dialogs if one.agent_id == agent]

    async def _agents(self) -> None:
        self._say("agents, with keys that train, are slow, have no money, or may not write files")
        like = {agent: self._of(agent)[0] for agent in (MAIN, SLOW)}
        for agent, name in NAMES.items():
            one = like.get(agent, like[MAIN]).model_copy(update={"agent_id": agent})
            key = f"{KEYS[agent]}{secrets.token_hex(12)}" if agent in KEYS else ""
            await self._owner.put_agent(one, key, name=name)

    async def _publish(self) -> None:
        self._say(f"{len(self._dialogs)} dialogs of the last two weeks")
        await self._backend.publish(self._dialogs, lambda: None, apart=APART)
        count = len(self._dialogs)
        await self._until("dialog-svc", "/v1/dialogs/counts", lambda it: it["count"] >= count)

    async def _datasets(self) -> None:
        self._say("examples: saved, open, with a hint, with personal data, nearly the same twice")
        for one in self._dialogs:
            if one.dialog_id in LEFT_OUT:
                continue
            path = await self._take(one)
            if one.dialog_id not in (HINTED, OPEN):
                await self._owner.call("POST", "dataset-svc", f"{path}/save")
        await self._hint()
        for one in self._of(MAIN)[1:8:3]:
            rating = f"/v1/dialogs/{one.dialog_id}/rating"
            await self._owner.call("PUT", "dialog-svc", rating, {"rating": "good"})

    async def _take(self, dialog: Dialog) -> str:
        selected = await self._owner.call("POST", "dialog-svc", f"/v1/dialogs/{dialog.dialog_id}/select", {})
        path = await self._owner.open_example(dialog, selected.json()["revision"])
        self.filled.examples[dialog.dialog_id] = path.rpartition("/")[2]
        return path

    async def _hint(self) -> None:
        path = f"/v1/examples/{self.filled.examples[HINTED]}"
        seen = await self._owner.call("GET", "dataset-svc", path)
        first = seen.json()["messages"][0]
        said = first["content"] + HINT
        mark = {"start": len(first["content"]) + 1, "end": len(said)}
        edit = {"op": "edit", "message_id": first["id"], "content": said, "hint": [mark]}
        body, etag = {"operations": [edit]}, seen.headers["etag"]
        await self._owner.call("PATCH", "dataset-svc", path, body, If_Match=etag)

    async def _slow_run(self) -> None:
        self._say("a slow training; it will be under way when the rest is done")
        self.filled.runs["training"] = await self._train(SLOW)

    async def _runs(self) -> None:
        self._say("trainings: one that is ready and in service, failed, cancelled, paused")
        ready = self.filled.runs["ready"] = await self._train(MAIN)
        await self._owner.run_until(ready, {"ready"}, PATIENCE_S)
        await self._owner.activate(MAIN, ready)
        models = await self._owner.call("GET", "training-svc", f"/v1/models?agent_id={MAIN}")
        self.filled.models = [one["model_id"] for one in models.json()["items"]]
        prompt = self._of(MAIN)[0].model_copy(update={"prompt": SECOND_PROMPT})
        await self._owner.put_agent(prompt, "", name=NAMES[MAIN])
        self.filled.runs["failed"] = await self._train(MAIN, suffix="cheap", budget=1)
        cancelled = self.filled.runs["cancelled"] = await self._train(MAIN, suffix="mistaken")
        await self._owner.call("POST", "training-svc", f"/v1/runs/{cancelled}/cancel")
        paused = self.filled.runs["paused"] = await self._train(MAIN, suffix="evening")
        await self._owner.run_until(paused, {"training"}, PATIENCE_S)
        await self._owner.call("POST", "training-svc", f"/v1/runs/{paused}/pause")
        await self._owner.run_until(paused, {"paused", "ready"}, PATIENCE_S)

    async def _unlucky_runs(self) -> None:
        self._say("trainings that a key has no money or no right for, and one that waits")
        lines = await self._owner.call(
            "GET", "dataset-svc", f"{await self._dataset(MAIN)}/export?state=saved"
        )
        for agent in (POOR, NARROW):
            dataset = await self._dataset(agent)
            key = str(uuid.uuid4())
            into = f"{dataset}/import?state=saved&mode=best_effort"
            begun = await self._owner.call("POST", "dataset-svc", into, lines.content, Idempotency_Key=key)
            operation = f"/v1/operations/{begun.json()['id']}"
            await self._until("dataset-svc", operation, lambda it: it["finished_at"] is not None)
            self.filled.runs[agent] = await self._train(agent)
        self.filled.runs["waiting"] = await self._train(SLOW, suffix="second")

    async def _test_chat(self) -> None:
        self._say("a test chat with a hint, and two branches")
        title = {"title": "Roses that have wilted"}
        made = await self._owner.call("POST", "agent-svc", f"/v1/agents/{MAIN}/test-dialogs", title)
        self.filled.chat = made.json()["dialog_id"]
        path = f"/v1/test-dialogs/{self.filled.chat}/messages"
        said = {"role": "user", "content": "My roses have wilted after one day. What now?"}
        chat = (await self._owner.call("POST", "agent-svc", path, said)).json()
        first = chat["messages"][0]
        hinted = {"content": f"{first['content']} (promise new ones within 48 hours)"}
        await self._owner.call("PUT", "agent-svc", f"{path}/{first['message_id']}", hinted)

    async def _dataset(self, agent: str) -> str:
        return f"/v1/datasets/{await self._owner.dataset_of(agent)}"

    async def _train(self, agent: str, **settings: Any) -> str:
        dataset = await self._owner.dataset_of(agent)
        version = await self._owner.freeze(dataset)
        run = await self._owner.train(dataset, version, confirm_warnings=True, **settings)
        known = f"/v1/runs?agent_id={agent}"
        await self._until("training-svc", known, lambda it: run in {one["run_id"] for one in it["items"]})
        return run

    async def _until(self, service: str, path: str, there: Callable[[Any], bool]) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not there((await self._owner.call("GET", service, path)).json()):
            if asyncio.get_running_loop().time() > deadline:
                raise RefusedError(f"{path} does not become what it should within {PATIENCE_S:.0f} s")
            await asyncio.sleep(LOOK_AGAIN_S)
