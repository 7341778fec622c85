"""Note what became of a run, and the models that it made."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.database import Transaction
from contracts.training import TrainingStatus
from dataset_svc.domain.training import FINAL, models_of
from dataset_svc.outbound import run_store

FACTS = frozenset({
    "agent_version", "base_model", "provider", "key_id", "prompt_fingerprint", "status", "provider_status",
    "provider_job_id", "model", "trained_tokens", "cost_microdollars", "checked_at",
})  # fmt: skip
"""What is kept of a run beside its models; an error only as its code."""


async def note_run(transaction: Transaction, *, tenant: str, run: TrainingStatus, at: datetime) -> None:
    """Keep the snapshot; once it is final the same training may be asked for again."""
    facts = run.model_dump(mode="json", include=set(FACTS), exclude_none=True)
    if run.error is not None:
        facts["error"] = run.error.code
    connection, run_id = transaction.connection, UUID(run.run_id)
    asked_here = await run_store.set_status(
        connection, tenant, run_id, run.status, facts, final=run.status in FINAL
    )
    made = models_of(run.model, [(one.model, one.step) for one in run.checkpoints or ()])
    if asked_here and made:
        await run_store.put_models(connection, tenant, run_id, run.provider, made, at)
