"""What comes in by HTTP about versions: freeze, read, train."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Path, Query, Response

from chassis.auth import Caller
from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from chassis.errors import Problem
from chassis.http import CallerDep
from chassis.idempotency import once
from dataset_svc.domain import problems
from dataset_svc.domain.tokens import frame_tokens
from dataset_svc.inbound import views
from dataset_svc.inbound.http import GOES_ON, MADE, Limit, Number
from dataset_svc.inbound.version_requests import NewVersion, Rebuild, Share, Train
from dataset_svc.outbound import agent_store, version_store
from dataset_svc.usecases.check_examples import settle
from dataset_svc.usecases.compare_versions import compare_versions
from dataset_svc.usecases.freeze_version import FreezeSettings, begin_version, preview_split
from dataset_svc.usecases.rebuild_version import rebuild_version
from dataset_svc.usecases.request_training import request_training

SCOPES = {
    "GET /v1/datasets/{dataset_id}/split": "dialogs:read",
    "GET /v1/datasets/{dataset_id}/versions": "dialogs:read",
    "POST /v1/datasets/{dataset_id}/versions": "curate",
    "GET /v1/datasets/{dataset_id}/versions/{version}": "dialogs:read",
    "POST /v1/datasets/{dataset_id}/versions/{version}/rebuild": "curate",
    "POST /v1/datasets/{dataset_id}/versions/{version}/train": "train",
    "GET /v1/datasets/{dataset_id}/versions/{version}/diff/{other}": "dialogs:read",
}
VersionNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]
Key = Annotated[str, Header(alias="Idempotency-Key")]
OptionalVersion = Annotated[NewVersion, Body(default_factory=NewVersion)]
OptionalRebuild = Annotated[Rebuild, Body(default_factory=Rebuild)]
OptionalTrain = Annotated[Train, Body(default_factory=Train)]
LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a freeze waits for checks, then for a small version, and how it wakes who does them."""

    seconds: float
    wake_checker: Callable[[], None]
    wake_freezers: Callable[[], None]


def add_endpoints(routes: APIRouter, database: Database, catalogue: Catalogue, patience: Patience) -> None:
    """Add the endpoints of versions."""
    _add_reading(routes, database)
    _add_comparing(routes, database, catalogue)
    _add_training(routes, database, catalogue)

    @routes.post("/v1/datasets/{dataset_id}/versions", responses=MADE | GOES_ON)
    async def freeze(
        caller: CallerDep, dataset_id: UUID, wanted: OptionalVersion, response: Response, key: Key = ""
    ) -> dict[str, Any]:
        """Freeze the saved examples: 201 when done at once, 202 while it goes on, or at once with `train`."""
        if wanted.train is not None and "train" not in caller.scopes:
            raise problems.train_scope_missing()

        async def begin() -> dict[str, Any]:
            async with database.tenant_transaction(caller.tenant) as transaction:
                _, answer = await once(
                    transaction.connection, tenant=caller.tenant, key=key, endpoint=f"freeze {dataset_id}",
                    request=wanted.model_dump_json().encode(),
                    act=lambda: _begin(transaction, caller, dataset_id, wanted, catalogue),
                )  # fmt: skip
            return answer

        begun = await _once_checked(database, caller.tenant, dataset_id, patience, begin)
        return await _frozen(database, caller, dataset_id, begun, response, patience)

    @routes.post("/v1/datasets/{dataset_id}/versions/{version}/rebuild", responses=MADE | GOES_ON)
    async def rebuild(
        caller: CallerDep,
        dataset_id: UUID,
        version: VersionNumber,
        wanted: OptionalRebuild,
        response: Response,
        key: Key = "",
    ) -> dict[str, Any]:
        """Freeze what is left of a withdrawn version as a new one, and train it if asked."""
        if wanted.train is not None and "train" not in caller.scopes:
            raise problems.train_scope_missing()
        async with database.tenant_transaction(caller.tenant) as transaction:
            _, begun = await once(
                transaction.connection, tenant=caller.tenant, key=key,
                endpoint=f"rebuild {dataset_id} {version}", request=wanted.model_dump_json().encode(),
                act=lambda: _rebuild(transaction, caller, dataset_id, version, wanted, catalogue),
            )  # fmt: skip
        return await _frozen(database, caller, dataset_id, begun, response, patience)


async def _frozen(
    database: Database,
    caller: Caller,
    dataset_id: UUID,
    begun: dict[str, Any],
    response: Response,
    patience: Patience,
) -> dict[str, Any]:
    """Answer with the version that was begun: once it is frozen if that is soon, at once when it trains."""
    patience.wake_freezers()
    trains = "run_id" in begun
    seconds = 0.0 if trains else patience.seconds
    row = await _settled(database, caller.tenant, dataset_id, begun["version"], seconds)
    response.status_code = 202 if trains or row["state"] == "freezing" else 201
    return views.version(row) | begun


def _add_training(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    @routes.post("/v1/datasets/{dataset_id}/versions/{version}/train", status_code=202)
    async def train(
        caller: CallerDep, dataset_id: UUID, version: VersionNumber, wanted: OptionalTrain, key: Key = ""
    ) -> dict[str, Any]:
        """Ask for a training run of a version."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            _, answer = await once(
                transaction.connection, tenant=caller.tenant, key=key,
                endpoint=f"train {dataset_id} {version}", request=wanted.model_dump_json().encode(),
                act=lambda: _train(transaction, caller, dataset_id, version, wanted, catalogue),
            )  # fmt: skip
        return answer


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/datasets/{dataset_id}/versions")
    async def list_versions(
        caller: CallerDep, dataset_id: UUID, limit: Limit = 50, cursor: Number = None
    ) -> dict[str, Any]:
        """List versions, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            rows = await version_store.list_versions(
                transaction.connection, caller.tenant, dataset_id, cursor, limit + 1
            )
        return views.page(rows, limit, [views.version(row) for row in rows], "version")

    @routes.get("/v1/datasets/{dataset_id}/versions/{version}")
    async def get_version(caller: CallerDep, dataset_id: UUID, version: VersionNumber) -> dict[str, Any]:
        """Return a version with its manifest."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await version_store.get(transaction.connection, caller.tenant, dataset_id, version)
        if row is None:
            raise problems.no_version()
        return views.version(row)


def _add_comparing(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    @routes.get("/v1/datasets/{dataset_id}/split")
    async def split(
        caller: CallerDep,
        dataset_id: UUID,
        validation_share: Annotated[Share | None, Query()] = None,
        exclude: Annotated[list[UUID] | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """Return what each file of a version would hold if it were frozen now."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            dataset = await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id)
            if dataset is None:
                raise problems.no_dataset()
            pending = await settle(transaction, tenant=caller.tenant, dataset_id=dataset_id)
            wanted = FreezeSettings(validation_share=validation_share, exclude=tuple(exclude or ()))
            found = await preview_split(transaction.connection, caller.tenant, dataset_id, wanted)
            agent = await agent_store.agent_of_dataset(transaction.connection, caller.tenant, dataset_id)
        around = await asyncio.to_thread(frame_tokens, agent["prompt"], agent["tools"]) if agent else 0
        return views.split(found, pending, catalogue.min_examples(dataset["base_model"] or ""), around)

    @routes.get("/v1/datasets/{dataset_id}/versions/{version}/diff/{other}")
    async def diff(
        caller: CallerDep,
        dataset_id: UUID,
        version: VersionNumber,
        other: VersionNumber,
        limit: Annotated[int, Query(ge=1, le=50)] = 20,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """Return what `other` holds that `version` does not, by example and message."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            compared = await compare_versions(
                transaction.connection, caller.tenant, dataset_id, version, other, cursor, limit + 1
            )
        items = [views.example_diff(row) for row in compared.rows]
        return {
            **views.version_diff(compared),
            **views.page(compared.rows, limit, items, "example_id"),
        }


async def _begin(
    transaction: Transaction, caller: Caller, dataset_id: UUID, wanted: NewVersion, catalogue: Catalogue
) -> tuple[int, dict[str, Any]]:
    version = await begin_version(
        transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, catalogue=catalogue,
        base_model=wanted.train.base_model if wanted.train else None, wanted=wanted.settings(),
    )  # fmt: skip
    return await _then_train(transaction, caller, dataset_id, version, wanted.train, catalogue)


async def _rebuild(
    transaction: Transaction,
    caller: Caller,
    dataset_id: UUID,
    version: int,
    wanted: Rebuild,
    catalogue: Catalogue,
) -> tuple[int, dict[str, Any]]:
    new = await rebuild_version(
        transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, version=version,
        catalogue=catalogue, base_model=wanted.train.base_model if wanted.train else None,
    )  # fmt: skip
    return await _then_train(transaction, caller, dataset_id, new, wanted.train, catalogue)


async def _then_train(
    transaction: Transaction,
    caller: Caller,
    dataset_id: UUID,
    version: int,
    train: Train | None,
    catalogue: Catalogue,
) -> tuple[int, dict[str, Any]]:
    """Answer with the version that was begun, and with the run if it is to be trained."""
    if train is None:
        return 201, {"version": version}
    _, answer = await _train(transaction, caller, dataset_id, version, train, catalogue)
    return 202, {"version": version, "run_id": answer["run_id"]}


async def _train(
    transaction: Transaction,
    caller: Caller,
    dataset_id: UUID,
    version: int,
    wanted: Train,
    catalogue: Catalogue,
) -> tuple[int, dict[str, Any]]:
    run_id = await request_training(
        transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, version=version,
        wanted=wanted.settings(), catalogue=catalogue,
    )  # fmt: skip
    return 202, {"run_id": str(run_id), "dataset_id": str(dataset_id), "version": version}


async def _once_checked(
    database: Database,
    tenant: str,
    dataset_id: UUID,
    patience: Patience,
    begin: Callable[[], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Freeze once nothing is left to check, again when more came meanwhile; the patience is of both."""
    until = time.monotonic() + patience.seconds
    while True:
        await _checked(database, tenant, dataset_id, patience, until)
        try:
            return await begin()
        except Problem as problem:
            if problem.code != "checks_pending" or time.monotonic() >= until:
                raise


async def _checked(
    database: Database, tenant: str, dataset_id: UUID, patience: Patience, until: float
) -> None:
    """Wait until nothing is left to check, but not for ever: freezing says itself what is pending."""
    while True:
        async with database.tenant_transaction(tenant) as transaction:
            pending = await settle(transaction, tenant=tenant, dataset_id=dataset_id)
        if not pending or time.monotonic() >= until:
            return
        patience.wake_checker()
        await asyncio.sleep(LOOK_AGAIN)


async def _settled(database: Database, tenant: str, dataset_id: UUID, version: int, seconds: float) -> Any:
    """Return the version once it is frozen, or as it is after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        async with database.tenant_transaction(tenant) as transaction:
            row = await version_store.get(transaction.connection, tenant, dataset_id, version)
        if row is None:
            raise problems.no_version()
        if row["state"] != "freezing" or time.monotonic() >= until:
            return row
        await asyncio.sleep(LOOK_AGAIN)
