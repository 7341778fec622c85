"""Remember when training finished a model: for some minutes it may not be there yet."""

from __future__ import annotations

from datetime import datetime

from agent_svc.outbound import outage_store
from chassis.database import Transaction
from contracts.training import TrainingStatus


async def note_trained(transaction: Transaction, tenant: str, status: TrainingStatus, at: datetime) -> None:
    """Note the models of a ready run, its checkpoints too; `at` is when it was said."""
    names = [status.model, *(checkpoint.model for checkpoint in status.checkpoints or ())]
    for model in dict.fromkeys(filter(None, names)):
        await outage_store.put_trained(transaction.connection, tenant, status.provider, model, at)
