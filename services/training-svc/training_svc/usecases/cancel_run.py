"""Ask for a run to be cancelled; a driver does it, after adoption when a create is in doubt."""

from __future__ import annotations

from dataclasses import replace

from chassis import audit
from chassis.database import Transaction
from training_svc.domain.errors import already_final, no_run
from training_svc.domain.run import Run
from training_svc.outbound import run_store
from training_svc.usecases.publish_status import publish_change


async def cancel_run(transaction: Transaction, *, tenant: str, subject: str, run_id: str) -> Run:
    """Note the wish and make the run due; returns the run."""
    before = await run_store.lock(transaction.connection, tenant, run_id)
    if before is None:
        raise no_run()
    if before.status == "cancelled" or before.asked == "cancel":
        return before
    if before.is_final:
        raise already_final(before.status)
    await run_store.ask(transaction.connection, tenant, run_id, "cancel")
    after = replace(before, asked="cancel")
    publish_change(transaction, before, after)
    await audit.record(
        transaction.connection, tenant=tenant, subject=subject, action="run_cancel_asked", object_id=run_id
    )
    return after
