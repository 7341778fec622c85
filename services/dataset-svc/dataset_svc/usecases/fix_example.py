"""Apply a finding's fix to the working copy, and save it if wanted."""

from __future__ import annotations

from uuid import UUID

from chassis import audit
from chassis.database import Transaction
from dataset_svc.domain import check_problems, near
from dataset_svc.domain.checks import Finding, check
from dataset_svc.domain.checks.fixes import Fix, fixed
from dataset_svc.domain.checks.personal import CODE as PERSONAL
from dataset_svc.domain.checks.personal import personal_findings
from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.filter import Filter
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.message import load
from dataset_svc.domain.weights import Ratings, weights
from dataset_svc.outbound import agent_store, near_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.change_examples import begin_change
from dataset_svc.usecases.edit_example import lock_example, lock_present, put_working_copy
from dataset_svc.usecases.pseudonymise_example import pseudonymise_example, setting_of, then_save
from dataset_svc.usecases.save_example import remove_example, save_example
from dataset_svc.usecases.undo_operation import remember

LEAVE_OUT, PSEUDONYMISE = "leave_out", "pseudonymise"
NEAR_DUPLICATE, KEEP_THIS = "near_duplicate", "keep_this"


async def fix_example(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    example_id: UUID,
    seen: int | None,
    code: str,
    message_id: str | None,
    fix: str,
    value: str | None,
    save: bool,
    language: str,
) -> UUID | None:
    """Fix the first such finding of the working copy; `leave_out` takes the example out of the dataset.

    `keep_this` takes out what is nearly the same as this example, by one operation. Returns the operation
    that undoes a save, a removal or pseudonyms. Raises a 404 Problem without such a finding, a 422 when it
    has no such fix or the fix cannot be done.
    """
    row = await lock_present(transaction.connection, tenant, example_id, seen)
    if fix == LEAVE_OUT:
        change = await remove_example(transaction, tenant=tenant, by=by, row=row)
        return await remember(transaction, tenant, by, "remove", row, change)
    if code == NEAR_DUPLICATE:
        if fix != KEEP_THIS:
            raise check_problems.no_such_fix(code, [KEEP_THIS, LEAVE_OUT])
        return await _keep_this(transaction, tenant, by, row)
    finding = await _find(transaction, tenant, row, code, message_id)
    if fix not in finding.fixes:
        raise check_problems.no_such_fix(code, list(finding.fixes))
    if fix == PSEUDONYMISE:
        change = await pseudonymise_example(transaction, tenant=tenant, by=by, row=row)
        if save:
            change = await then_save(
                transaction, tenant=tenant, by=by, row=row, change=change, language=language
            )
        return await remember(transaction, tenant, by, fix, row, change)
    await _apply(transaction, tenant, by, row, Fix(fix, finding, value))
    if not save:
        return None
    row = await lock_example(transaction.connection, tenant, example_id)
    change = await save_example(transaction, tenant=tenant, by=by, row=row, language=language)
    return await remember(transaction, tenant, by, "save", row, change)


async def _keep_this(transaction: Transaction, tenant: str, by: str, row: Row) -> UUID:
    """Take out the examples that are near to this one; those that are in its group through others stay."""
    held = await near_store.group_shingles(transaction.connection, tenant, row["id"])
    own = held.pop(row["id"], b"")
    others = [one for one, shingles in held.items() if near.jaccard(own, shingles) >= near.NEAR]
    if not others:
        raise check_problems.no_such_finding()
    return await begin_change(
        transaction, tenant=tenant, by=by, dataset_id=row["dataset_id"], action="remove", arguments={},
        ids=others, wanted=Filter(),
    )  # fmt: skip


async def _find(
    transaction: Transaction, tenant: str, row: Row, code: str, message_id: str | None
) -> Finding:
    agent = await agent_store.agent_of_dataset(transaction.connection, tenant, row["dataset_id"])
    messages = load(row["draft"])
    if code == PERSONAL:
        setting = await setting_of(transaction.connection, tenant, row)
        found = list(personal_findings(messages, setting.allowed))
    else:
        found = check(
            messages,
            weights(messages, load(row["original"]), Ratings(row["ratings"])),
            Functions.of_tools(agent["tools"]) if agent else None,
        )
    for one in found:
        if one.code == code and message_id in (None, one.message_id):
            return one
    raise check_problems.no_such_finding()


async def _apply(transaction: Transaction, tenant: str, by: str, row: Row, fix: Fix) -> None:
    try:
        messages = fixed(load(row["draft"]), fix)
    except EditRefusedError as error:
        raise check_problems.fix_refused(error) from None
    told = {"op": fix.name, "message_id": fix.finding.message_id}
    await put_working_copy(transaction, tenant, by, row, messages, [told])
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action="example.fixed", object_id=str(row["id"]),
        code=fix.finding.code, fix=fix.name, message_id=fix.finding.message_id,
    )  # fmt: skip
