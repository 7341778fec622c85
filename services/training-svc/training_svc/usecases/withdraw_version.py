"""A dataset version must no longer be trained on: runs not yet created end, others tell their owner."""

from __future__ import annotations

from chassis.database import Transaction
from chassis.envelope import Received
from contracts.datasets import DatasetWithdrawn
from training_svc.domain.run import needs
from training_svc.outbound import erasure_store, run_store
from training_svc.usecases.publish_status import publish_change


async def withdraw_version(received: Received[DatasetWithdrawn], transaction: Transaction) -> None:
    """Mark the version and its unfinished runs; a driver ends those for which no job exists."""
    event, tenant, connection = received.event, received.tenant, transaction.connection
    await erasure_store.put_erasures(connection, tenant, event.erasure_ids, event.dataset_id, event.version)
    for run_id in await run_store.withdraw(connection, tenant, event.dataset_id, event.version, event.reason):
        before = await run_store.lock(connection, tenant, run_id)
        if before is None:
            continue
        after = needs(before, "version_withdrawn", received.time)
        await run_store.set_attention(connection, after)
        publish_change(transaction, before, after)
