"""Rebuild a withdrawn version without what was erased: the same examples, prompt and functions else."""

from __future__ import annotations

from uuid import UUID

from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Transaction
from dataset_svc.domain import check_problems, problems
from dataset_svc.outbound import version_store


async def rebuild_version(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    version: int,
    catalogue: Catalogue,
    base_model: str | None = None,
) -> int:
    """Pin what is left of a version as a new one; returns its number.

    Each example stays at its revision and on its side of the split, the prompt is the one of then. Raises a
    Problem for an unknown version, for one of which nothing was erased, and when too little is left.
    """
    connection = transaction.connection
    if not await version_store.lock_dataset(connection, tenant, dataset_id):
        raise problems.no_dataset()
    old = await version_store.lock(connection, tenant, dataset_id, version)
    if old is None:
        raise problems.no_version()
    if old["state"] != "withdrawn":
        raise problems.version_whole()
    settings = old["settings"] | {"rebuilt_from": version}
    new = await version_store.create(
        connection, tenant, dataset_id, version_store.as_agent(old), settings=settings,
        warnings=old["warnings"], by=by,
    )  # fmt: skip
    await version_store.pin_left(connection, tenant, dataset_id, version, new)
    counts = await version_store.part_counts(connection, tenant, dataset_id, new)
    least = catalogue.min_examples(base_model) if base_model else settings["min_examples"]
    if (training := counts.get("training", 0)) < least:
        raise check_problems.too_few_to_train(training, least, counts.get("validation", 0), 0)
    await audit.record(
        connection, tenant=tenant, subject=by, action="version.rebuilt", object_id=str(dataset_id),
        version=new, rebuilt_from=version,
    )  # fmt: skip
    return new
