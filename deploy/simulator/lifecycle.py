"""A job's life as pure functions of its record and the clock, so it goes on over any restart."""

from dataclasses import replace

from deploy.simulator.records import Job, Stages

FINAL = frozenset({"succeeded", "failed", "cancelled"})
# Seconds at speed 1.
AT_SPEED_ONE = Stages(validating=2.0, queued=2.0, running=10.0)


def stages_at(speed: float) -> Stages:
    """The stages' lengths for a speed factor."""
    base = AT_SPEED_ONE
    return Stages(base.validating / speed, base.queued / speed, base.running / speed)


def elapsed(job: Job, now: float) -> float:
    """Seconds that the job was at work until `now`: pauses and what follows a cancellation don't count."""
    end = now if job.cancelled_at is None else min(now, job.cancelled_at)
    paused = sum((end if stop is None else stop) - start for start, stop in job.pauses)
    return end - job.created_at - paused


def wall(job: Job, offset: float) -> float:
    """The clock's time at which the job had been at work for `offset` seconds."""
    at = job.created_at + offset
    for start, stop in job.pauses:
        if start <= at and stop is not None:
            at += stop - start
    return at


def work_length(job: Job) -> float:
    """Seconds of work until the job ends by itself."""
    stages = job.stages
    return stages.validating if job.error else stages.validating + stages.queued + stages.running


def status(job: Job, now: float) -> str:
    """The state as the API names it."""
    if job.cancelled_at is not None:
        return "cancelled"
    if job.pauses and job.pauses[-1][1] is None:
        return "paused"
    at = elapsed(job, now)
    if at >= work_length(job):
        return "failed" if job.error else "succeeded"
    if at < job.stages.validating:
        return "validating_files"
    return "queued" if at < job.stages.validating + job.stages.queued else "running"


def finished_at(job: Job, now: float) -> float | None:
    """When the job reached its end; None while it has not."""
    if status(job, now) not in FINAL:
        return None
    return job.cancelled_at if job.cancelled_at is not None else wall(job, work_length(job))


def steps_done(job: Job, now: float) -> int:
    """Training steps finished so far."""
    at = elapsed(job, now) - job.stages.validating - job.stages.queued
    if job.error or at < 0:
        return 0
    return min(job.plan.total_steps, int(job.plan.total_steps * at / job.stages.running + 1e-9))


def step_offset(job: Job, step: int) -> float:
    """Seconds of work after which a training step is finished."""
    before = job.stages.validating + job.stages.queued
    return before + job.stages.running * step / job.plan.total_steps


def pause(job: Job, now: float) -> Job:
    """The job, paused from now on."""
    return replace(job, pauses=(*job.pauses, (now, None)))


def resume(job: Job, now: float) -> Job:
    """The job, at work again."""
    return replace(job, pauses=(*job.pauses[:-1], (job.pauses[-1][0], now)))


def cancel(job: Job, now: float) -> Job:
    """The job, ended now."""
    resumed = resume(job, now) if job.pauses and job.pauses[-1][1] is None else job
    return replace(resumed, cancelled_at=now)
