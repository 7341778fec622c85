"""Tell the provider what the owner asked of a run; the wish stands until a look shows that it agreed."""

from __future__ import annotations

from training_svc.domain.run import Run
from training_svc.outbound.provider import Provider


async def apply_wish(run: Run, job_id: str, provider: Provider) -> None:
    """Ask for the job to be cancelled, paused or resumed; who does not do it now is asked again."""
    if run.asked == "cancel":
        await provider.cancel(job_id)
    elif run.asked == "pause" and run.status != "paused":
        await provider.pause(job_id)
    elif run.asked == "resume":
        await provider.resume(job_id)
