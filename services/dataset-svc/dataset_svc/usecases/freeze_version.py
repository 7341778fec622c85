"""Pin a new version: its examples, each on its side of the split, and the agent's prompt and functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Connection, Transaction
from dataset_svc.domain import check_problems, problems
from dataset_svc.domain.checks.agent import agent_errors
from dataset_svc.domain.split import default_share, threshold
from dataset_svc.outbound import agent_store, check_store, finding_store, version_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.check_examples import settle


@dataclass(frozen=True, slots=True)
class FreezeSettings:
    """What an owner chooses: prompt and functions, the share of dialogs that validates, what stays out."""

    agent: Literal["current", "as_recorded"] = "current"
    validation_share: float | None = None
    exclude: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """What each file would hold; `twins` are examples that train because another dialog says the same.

    `moved` of the `near_duplicates` are not where their dialog alone would be: they follow their group.
    """

    share: float
    default: float
    training: int
    validation: int
    training_tokens: int
    validation_tokens: int
    twins: int
    near_duplicates: int
    moved: int


async def preview_split(
    connection: Connection, tenant: str, dataset_id: UUID, wanted: FreezeSettings
) -> Split:
    """Return the split that freezing now would make."""
    saved = await version_store.count_saved(connection, tenant, dataset_id, wanted.exclude)
    default = default_share(saved)
    share = default if wanted.validation_share is None else wanted.validation_share
    row = await version_store.split_counts(connection, tenant, dataset_id, threshold(share), wanted.exclude)
    return Split(share, default, **dict(row))


async def begin_version(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    catalogue: Catalogue,
    base_model: str | None = None,
    wanted: FreezeSettings = FreezeSettings(),
) -> int:
    """Number a new version and pin what it holds; returns the number.

    It takes the dataset's turn first: no check and no other version of the agent comes between what is read
    here and what is pinned.

    Raises a Problem without dataset or agent, while checks are pending, when an example that would be in it
    has an error, or below the catalogue's minimum for the base model (the agent's when not named) in the
    training file.
    """
    connection = transaction.connection
    await check_store.wait_turn(connection, tenant, dataset_id)
    if not await version_store.lock_dataset(connection, tenant, dataset_id):
        raise problems.no_dataset()
    agent = await agent_store.agent_of_dataset(connection, tenant, dataset_id)
    if agent is None:
        raise problems.agent_unknown()
    if pending := await settle(transaction, tenant=tenant, dataset_id=dataset_id):
        raise check_problems.checks_pending(pending)
    warnings = await _sound(connection, tenant, dataset_id, agent, wanted)
    split = await preview_split(connection, tenant, dataset_id, wanted)
    least = catalogue.min_examples(base_model or agent["base_model"])
    if split.training < least:
        raise check_problems.too_few_to_train(split.training, least, split.validation, len(wanted.exclude))
    settings = {
        "agent": wanted.agent,
        "validation_share": split.share,
        "exclude": list(map(str, wanted.exclude)),
        "min_examples": least,
        "near_duplicates": split.near_duplicates,
        "moved": split.moved,
    }
    version = await version_store.create(
        connection, tenant, dataset_id, dict(agent), settings=settings, warnings=warnings, by=by
    )
    await version_store.pin_examples(
        connection, tenant, dataset_id, threshold(split.share), wanted.exclude,
        version=version, agent_version=agent["version"], as_recorded=wanted.agent == "as_recorded",
    )  # fmt: skip
    await audit.record(
        connection, tenant=tenant, subject=by, action="version.frozen", object_id=str(dataset_id),
        version=version, agent=wanted.agent, excluded=len(wanted.exclude),
    )  # fmt: skip
    return version


async def _sound(
    connection: Connection, tenant: str, dataset_id: UUID, agent: Row, wanted: FreezeSettings
) -> list[dict[str, Any]]:
    """Return the warnings that stand; raises a Problem when an error or an unknown version stands."""
    as_recorded = wanted.agent == "as_recorded"
    counts = await finding_store.counts(
        connection, tenant, dataset_id, saved_only=True, without=wanted.exclude,
        current_version=agent["version"] if as_recorded else None,
    )  # fmt: skip
    wrong = [*agent_errors(agent["prompt"], agent["tools"]), *_told(counts, "error")]
    if wrong:
        raise check_problems.errors_block(wrong)
    if as_recorded:
        unknown = await version_store.unknown_versions(
            connection, tenant, dataset_id, agent["agent_id"], wanted.exclude
        )
        if unknown:
            raise check_problems.version_unknown(unknown)
    return [one for one in _told(counts, "warning") if one["examples"]]


def _told(counts: Sequence[Row], severity: str) -> list[dict[str, Any]]:
    return [
        {
            "code": row["code"],
            "examples": row["examples"] - row["dismissed"],
            "first": [str(one) for one in row["first"] or ()],
        }
        | ({"kinds": row["kinds"]} if row["kinds"] else {})
        for row in counts
        if row["severity"] == severity
    ]
