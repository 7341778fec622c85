"""Ask for a training run of a version; the request is published once the version is ready."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Connection, Transaction
from contracts.datasets import DatasetReady, TrainingFiles
from dataset_svc.domain import check_problems, problems
from dataset_svc.domain.training import NO_KEY, choose_key, settings_digest
from dataset_svc.outbound import agent_store, run_store, version_store
from dataset_svc.outbound.row import Row


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What an owner chooses; base model and provider are the agent's when not named."""

    base_model: str | None
    provider: str | None
    hyperparameters: dict[str, Any]
    suffix: str | None
    seed: int | None
    budget: int | None
    confirm_warnings: bool = False


async def request_training(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    version: int,
    wanted: TrainSettings,
    catalogue: Catalogue,
) -> UUID:
    """Store the request and return its run id; raises a Problem when it cannot be met.

    The training file must hold as many examples as the catalogue wants for the base model.
    One run that is not final per version, provider and settings: the version's row is the lock.
    """
    connection = transaction.connection
    frozen = await version_store.lock(connection, tenant, dataset_id, version)
    if frozen is None:
        raise problems.no_version()
    if frozen["state"] == "failed":
        raise problems.version_failed(frozen["failure"])
    if frozen["state"] == "withdrawn":
        raise problems.version_withdrawn(version)
    agent = await agent_store.get_agent(connection, tenant, frozen["agent_id"])
    if agent is None:
        raise problems.agent_unknown()
    provider = wanted.provider or agent["provider"]
    base_model = wanted.base_model or agent["base_model"]
    await _enough(connection, frozen, catalogue.min_examples(base_model, provider))
    settings = asdict(wanted) | {"base_model": base_model}
    digest = settings_digest(settings)
    known = await run_store.running(connection, tenant, dataset_id, version, provider, digest)
    if known is not None:
        raise problems.run_in_progress(str(known))
    entry = catalogue.provider(provider)
    taken_away = entry is not None and entry.protocol == "file"
    settings["key_id"] = NO_KEY if taken_away else choose_key(agent["keys"], provider)
    if frozen["warnings"] and not wanted.confirm_warnings:
        raise check_problems.warnings_unconfirmed(frozen["warnings"])
    run_id = uuid7()
    await run_store.insert(
        connection, tenant, run_id=run_id, dataset_id=dataset_id, version=version, provider=provider,
        digest=digest, settings=settings, by=by,
    )  # fmt: skip
    if frozen["state"] == "ready":
        await publish_requests(transaction, tenant, dataset_id, version)
    await audit.record(
        connection, tenant=tenant, subject=by, action="training.requested", object_id=str(run_id),
        dataset_id=str(dataset_id), version=version,
        confirmed=[one["code"] for one in frozen["warnings"]],
    )  # fmt: skip
    return run_id


async def _enough(connection: Connection, frozen: Row, needed: int) -> None:
    """Raise a Problem when the training file holds, or will hold, fewer examples."""
    held = await version_store.part_counts(
        connection, frozen["tenant_id"], frozen["dataset_id"], frozen["version"]
    )
    held |= {part: one["examples"] for part, one in (frozen["manifest"] or {"files": {}})["files"].items()}
    training, validation = held.get("training", 0), held.get("validation", 0)
    if training < needed:
        raise check_problems.too_few_to_train(
            training, needed, validation, len(frozen["settings"]["exclude"])
        )


async def publish_requests(transaction: Transaction, tenant: str, dataset_id: UUID, version: int) -> None:
    """Publish the requests that waited for this version; it must be ready."""
    frozen = await version_store.get(transaction.connection, tenant, dataset_id, version)
    if frozen is None:
        raise RuntimeError("a version that is ready is not there")
    files = TrainingFiles.model_validate(frozen["manifest"]["files"])
    for row in await run_store.take_unpublished(transaction.connection, tenant, dataset_id, version):
        settings = row["settings"]
        event = DatasetReady(
            run_id=str(row["run_id"]),
            dataset_id=str(dataset_id),
            version=version,
            agent_id=frozen["agent_id"],
            agent_version=frozen["agent_version"],
            base_model=settings["base_model"],
            provider=row["provider"],
            key_id=settings["key_id"],
            method="supervised",
            files=files,
            prompt_fingerprint=frozen["prompt_fingerprint"],
            hyperparameters=settings["hyperparameters"],
            suffix=settings["suffix"],
            seed=settings["seed"],
            budget_microdollars=settings["budget"],
        )
        transaction.publish(event, tenant=tenant)
