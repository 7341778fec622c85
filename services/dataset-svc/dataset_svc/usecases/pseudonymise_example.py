"""Put pseudonyms in the place of an example's personal data; say beforehand which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

import orjson

from chassis import audit
from chassis.database import Connection, Transaction
from dataset_svc.domain import check_problems, problems
from dataset_svc.domain.change import DRAFT, ORIGINAL, Change
from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.message import dump, load
from dataset_svc.domain.personal.places import Key, Place, allowed_values, places
from dataset_svc.domain.personal.rewriting import Plan, keep_weights, plan, rewritten
from dataset_svc.domain.weights import Ratings
from dataset_svc.outbound import agent_store, example_store, personal_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.edit_example import lock_example, put_working_copy
from dataset_svc.usecases.save_example import save_example


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides which values get pseudonyms, and which form those may have."""

    functions: Functions
    allowed: Set[Key]


async def setting_of(connection: Connection, tenant: str, row: Row) -> Setting:
    """Return the setting of an example's dataset."""
    agent = await agent_store.agent_of_dataset(connection, tenant, row["dataset_id"])
    listed = await personal_store.allowed(connection, tenant, row["dataset_id"])
    tools = orjson.dumps(agent["tools"]).decode() if agent else None
    return Setting(
        Functions.of_json(tools) if tools else Functions(),
        allowed_values(agent["prompt"] if agent else "", tools, listed),
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """The pseudonyms that an example would get, the places in its copy, and why it would be refused."""

    plan: Plan | None
    places: tuple[Place, ...]
    refused: EditRefusedError | None


async def preview_of(connection: Connection, tenant: str, row: Row) -> Preview:
    """Return what the fix would do to an example as it is."""
    setting = await setting_of(connection, tenant, row)
    draft, original = load(row["draft"]), load(row["original"])
    found = tuple(place for one in draft for place in places(one) if place.found.key not in setting.allowed)
    planned = plan(draft, original, setting.functions, setting.allowed)
    if planned is None:
        return Preview(None, (), None)
    try:
        for one in (draft, original):
            rewritten(one, planned, setting.functions, setting.allowed)
    except EditRefusedError as error:
        return Preview(planned, found, error)
    return Preview(planned, found, None)


async def pseudonymise_example(transaction: Transaction, *, tenant: str, by: str, row: Row) -> Change:
    """Rewrite the working copy of a locked example, and the original that it is compared with.

    Nothing to do is no error. Raises a 422 Problem where a function would not take a pseudonym.
    """
    connection, example_id = transaction.connection, row["id"]
    setting = await setting_of(connection, tenant, row)
    draft, original = load(row["draft"]), load(row["original"])
    planned = plan(draft, original, setting.functions, setting.allowed)
    if planned is None:
        return Change()
    try:
        new_draft = rewritten(draft, planned, setting.functions, setting.allowed)
        new_original = rewritten(original, planned, setting.functions, setting.allowed)
    except EditRefusedError as error:
        raise check_problems.fix_refused(error) from None
    new_draft = keep_weights((draft, original), (new_draft, new_original), Ratings(row["ratings"]))
    await example_store.set_original(connection, tenant, example_id, dump(new_original))
    grown = await lock_example(connection, tenant, example_id)
    told = [{"op": "pseudonymise", "message_id": None}]
    revision = await put_working_copy(transaction, tenant, by, grown, new_draft, told, step=None)
    await audit.record(
        connection, tenant=tenant, subject=by, action="example.pseudonymised", object_id=str(example_id),
        values=_counts(planned),
    )  # fmt: skip
    return Change({DRAFT: row["draft"], ORIGINAL: row["original"]}, {DRAFT: revision})


def _counts(planned: Plan) -> dict[str, int]:
    return dict(Counter(kind for kind, _ in planned.numbers))


async def pseudonymise_and_save(transaction: Transaction, *, tenant: str, by: str, row: Row) -> Change:
    """Rewrite an example for a bulk change; one that was saved is saved again, so that it counts at once.

    Raises a 409 Problem where unsaved edits would be saved along.
    """
    if row["state"] == "removed":
        raise problems.removed()
    if row["state"] == "saved" and row["saved_draft"] != row["draft_revision"]:
        raise problems.unsaved_changes()
    change = await pseudonymise_example(transaction, tenant=tenant, by=by, row=row)
    if not change.after or row["state"] != "saved":
        return change
    return await then_save(transaction, tenant=tenant, by=by, row=row, change=change)


async def then_save(
    transaction: Transaction, *, tenant: str, by: str, row: Row, change: Change, language: str = "en"
) -> Change:
    """Save the example after a change; returns both as one, which one undo takes back."""
    now = await lock_example(transaction.connection, tenant, row["id"])
    saved = await save_example(transaction, tenant=tenant, by=by, row=now, language=language)
    return Change({**change.before, **saved.before}, {**change.after, **saved.after})
