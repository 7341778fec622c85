"""Publish a run as a snapshot, whenever what others see of it has changed."""

from __future__ import annotations

from chassis.database import Transaction
from chassis.observability import linked_span
from contracts.training import Attention, Checkpoint, Progress, RunError, TrainingStatus
from training_svc.domain.run import Run
from training_svc.domain.texts import explain


def snapshot(run: Run) -> TrainingStatus:
    """Return the run as others see it; texts in English, the codes are what programs read."""
    request = run.request
    return TrainingStatus(
        run_id=request.run_id,
        dataset_id=request.dataset_id,
        version=request.version,
        agent_id=request.agent_id,
        base_model=request.base_model,
        provider=request.provider,
        key_id=request.key_id,
        prompt_fingerprint=request.prompt_fingerprint,
        agent_version=request.agent_version,
        status=run.status,
        step=run.step,
        asked=run.asked,
        attention=_attention(run),
        provider_status=run.provider_status,
        provider_job_id=run.job_id,
        model=run.model,
        checkpoints=tuple(Checkpoint(**one) for one in run.checkpoints) if run.checkpoints else None,
        progress=Progress(**run.progress) if run.progress else None,
        trained_tokens=run.trained_tokens,
        cost_microdollars=run.cost_microdollars,
        error=_error(run),
        checked_at=run.checked_at,
    )


def _attention(run: Run) -> Attention | None:
    if run.attention is None or run.attention.since is None:
        return None
    action = explain(run.attention)[1].en
    return Attention(code=run.attention.code, since=run.attention.since, action=action)


def _error(run: Run) -> RunError | None:
    if run.failure is None:
        return None
    message, action = explain(run.failure)
    return RunError(code=run.failure.code, message=message.en, param=run.failure.param, action=action.en)


def publish_change(transaction: Transaction, before: Run | None, after: Run) -> None:
    """Publish the run unless all that changed is when it was looked at."""
    event = snapshot(after)
    if before is not None:
        seen = snapshot(before).model_copy(update={"checked_at": event.checked_at})
        if seen == event:
            return
    with linked_span("change run", after.traceparent, status=after.status, step=after.step):
        transaction.publish(event, tenant=after.request.tenant)
