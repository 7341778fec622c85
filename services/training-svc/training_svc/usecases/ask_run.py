"""Ask for a run to be cancelled, paused or resumed; a driver does it, once it is known which job it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Transaction
from training_svc.domain.errors import already_final, cancel_asked, no_run, not_paused, pause_not_supported
from training_svc.domain.run import Run
from training_svc.domain.wishes import is_met
from training_svc.outbound import run_store
from training_svc.usecases.publish_status import publish_change

Wish = Literal["cancel", "pause", "resume"]


async def ask_run(
    transaction: Transaction, *, tenant: str, subject: str, run_id: str, wish: Wish, catalogue: Catalogue
) -> Run:
    """Note the wish and make the run due; returns the run. What is asked or so already changes nothing.

    Raises a 404 Problem, or a 409 when the run has ended, is to be cancelled or cannot be paused.
    """
    before = await run_store.lock(transaction.connection, tenant, run_id)
    if before is None:
        raise no_run()
    if before.asked == wish or (wish == "cancel" and before.status == "cancelled"):
        return before
    _check(before, wish, catalogue)
    if before.asked is None and is_met(wish, before.status):
        return before
    await run_store.ask(transaction.connection, tenant, run_id, wish)
    after = replace(before, asked=wish)
    publish_change(transaction, before, after)
    await audit.record(
        transaction.connection, tenant=tenant, subject=subject, action=f"run_{wish}_asked", object_id=run_id
    )
    return after


def _check(run: Run, wish: Wish, catalogue: Catalogue) -> None:
    if run.is_final:
        raise already_final(run.status)
    if wish == "cancel":
        return
    provider = catalogue.provider(run.request.provider)
    if provider is None or not provider.capabilities.pause:
        raise pause_not_supported()
    if run.asked == "cancel":
        raise cancel_asked()
    if wish == "resume" and run.status != "paused" and run.asked != "pause":
        raise not_paused(run.status)
