"""Start a training, once and only once: however often it is pressed, in however many tabs.

Nothing is remembered here. What is frozen already and not changed since is trained as it is, and a run that
goes on with the same version and settings is found by dataset-svc. Two requests to freeze at the same moment
bear the same Idempotency-Key, made of what they are about and the newest version, whatever page they come of.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from console_svc.domain.session import Session
from console_svc.outbound.backends import Backends, Refusal

IN_USE = frozenset({"freezing", "ready"})
"""States of a version that can be trained."""
LOOKS, LOOK_AGAIN = 20, 0.15


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be trained: a frozen version, or the dataset as it is with these settings of freezing.

    `seen` is the newest version that there was when the page was made, `minted` tells that page from others;
    `train` is what dataset-svc takes.
    """

    dataset: dict[str, Any]
    train: dict[str, Any]
    agent: str = "current"
    share: float | None = None
    version: int | None = None
    seen: int = 0
    minted: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The run, whether it was begun now or before, and the version that it learns."""

    run_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts trainings over the services' public HTTP."""

    backends: Backends

    async def start(self, session: Session, language: str, wanted: Wanted) -> Started:
        """Return the run, once training-svc has heard of it where that is soon; raises Refusal."""
        asked = _Asked(self.backends, session, language, wanted)
        started = await self._started(asked, wanted)
        await asked.heard_of(started.run_id)
        return started

    async def _started(self, asked: _Asked, wanted: Wanted) -> Started:
        if wanted.version is not None:
            return await asked.train(wanted.version)
        newest = await asked.newest()
        if newest is None or not await asked.is_unchanged(newest):
            return await asked.freeze_and_train(newest["version"] if newest else 0)
        version = int(newest["version"])
        if version > wanted.seen and (known := await asked.begun_since(version)):
            return known
        return await asked.train(version)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One press of the button."""

    backends: Backends
    session: Session
    language: str
    wanted: Wanted

    @property
    def path(self) -> str:
        return f"/v1/datasets/{UUID(self.wanted.dataset['id'])}"

    async def newest(self) -> dict[str, Any] | None:
        """Return the newest version, whatever became of it."""
        found = await self._call("GET", f"{self.path}/versions", params={"limit": 1})
        return next(iter(found["items"]), None)

    async def is_unchanged(self, version: dict[str, Any]) -> bool:
        """Tell whether freezing now would make this version again."""
        wanted, settings = self.wanted, version["settings"]
        if version["state"] not in IN_USE or version["agent_version"] != wanted.dataset["agent_version"]:
            return False
        if settings["agent"] != wanted.agent or settings["exclude"]:
            return False
        share = {} if wanted.share is None else {"validation_share": wanted.share}
        split = await self._call("GET", f"{self.path}/split", params=share)
        if split["validation_share"] != settings["validation_share"]:
            return False
        for state in ({}, {"state": "removed"}):
            query = {"changed_from": version["created_at"], "limit": "1", **state}
            if (await self._call("GET", f"{self.path}/examples", params=query))["items"]:
                return False
        return True

    async def begun_since(self, version: int) -> Started | None:
        """Return the same training if somebody has begun it since this page was made, ended or not."""
        query = {"agent_id": self.wanted.dataset["agent_id"], "limit": 20}
        try:
            runs = await self._call("GET", "/v1/runs", "training", params=query)
        except Refusal:
            return None  # dataset-svc still finds one that goes on
        train = self.wanted.train
        for run in runs["items"]:
            same = all(run[name] == train[name] for name in ("hyperparameters", "suffix", "seed"))
            where = all(train[name] in (None, run[name]) for name in ("base_model", "provider"))
            if run["version"] == version and same and where:
                return Started(run["run_id"], version)
        return None

    async def freeze_and_train(self, newest: int) -> Started:
        """Freeze the dataset as the version after the newest and train on it, in one transaction there."""
        wanted = self.wanted
        body: dict[str, Any] = {"agent": wanted.agent, "train": wanted.train}
        if wanted.share is not None:
            body["validation_share"] = wanted.share
        done = await self._begin(f"{self.path}/versions", body, str(newest))
        return Started(done["run_id"], done["version"])

    async def train(self, version: int) -> Started:
        """Train a frozen version; the run that does so already counts."""
        try:
            done = await self._begin(
                f"{self.path}/versions/{version}/train", self.wanted.train, self.wanted.minted
            )
        except Refusal as refusal:
            if refusal.code != "run_in_progress":
                raise
            return Started(str(refusal.more["run_id"]), version)
        return Started(done["run_id"], version)

    async def heard_of(self, run_id: str) -> None:
        """Wait until training-svc shows the run, so that the page of models has it at once; not for long."""
        for _ in range(LOOKS):
            try:
                await self._call("GET", f"/v1/runs/{UUID(run_id)}", "training")
            except Refusal as refusal:
                if refusal.status != HTTPStatus.NOT_FOUND:
                    return
                await asyncio.sleep(LOOK_AGAIN)
            else:
                return

    async def _begin(self, path: str, body: dict[str, Any], once: str) -> Any:
        about = json.dumps([path, body, once], sort_keys=True)
        key = hashlib.sha256(about.encode()).hexdigest()
        return await self._call("POST", path, json=body, headers={"Idempotency-Key": key})

    async def _call(self, method: str, path: str, name: Any = "datasets", **more: Any) -> Any:
        return await self.backends.call(self.session, self.language, name, method, path, **more)
