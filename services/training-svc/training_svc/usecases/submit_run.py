"""Create a run's job exactly once, whatever is lost on the way."""

from __future__ import annotations

from dataclasses import replace

from chassis.objects import ObjectStore
from training_svc.domain.errors import BusyError, KeyRefusedError, NoAnswerError
from training_svc.domain.job import Job, adopted, keep_one
from training_svc.domain.run import (
    creating,
    doubtful,
    found_none,
    given_up,
    must_not_start,
    surely_not_created,
)
from training_svc.outbound.provider import Provider
from training_svc.settings import TrainingSettings
from training_svc.usecases.hold import Hold
from training_svc.usecases.upload_files import remove_files, upload_files

FIRST_LOOK = 1.0


async def submit_run(hold: Hold, provider: Provider, objects: ObjectStore) -> None:
    """Upload, look for a job that is there already, and create one where there is none."""
    await hold.record(lambda run, _: replace(run, step="uploading"))
    training, validation = await upload_files(hold.run, provider, objects)
    named = replace(hold.run, training_file_id=training, validation_file_id=validation)
    await provider.settled(named.file_ids)
    if await adopt_job(hold, await provider.jobs(named)):
        return
    run = await hold.record(
        lambda run, now: (
            given_up(run, now) if must_not_start(run) else creating(run, training, validation, now)
        )
    )
    if run.is_final:
        return
    try:
        job = await provider.create_job(run)
    except NoAnswerError:
        await hold.record(lambda run, _: doubtful(run), due_in=FIRST_LOOK)
    except (BusyError, KeyRefusedError):
        # a plain refusal: nothing was created, so there is nothing to doubt
        await hold.record(lambda run, _: replace(run, step="uploading"))
        raise
    else:
        await hold.record(lambda run, _: adopted(run, job), due_in=0.0)


async def confirm_run(
    hold: Hold, provider: Provider, objects: ObjectStore, settings: TrainingSettings
) -> None:
    """Find out whether a create whose answer is lost had its effect; create again only when surely not.

    A worker that was paused may still send its create: its file is deleted first, so that it is refused,
    and the jobs are listed once more after that.
    """
    if hold.run.step == "creating":
        await hold.record(lambda run, _: doubtful(run))
    if await adopt_job(hold, await provider.jobs(hold.run)):
        return
    run = await hold.record(
        lambda run, now: found_none(run, now, settings.provider_timeout, settings.confirm_gap)
    )
    if not surely_not_created(run):
        await hold.record(lambda run, _: run, due_in=settings.confirm_gap)
        return
    await remove_files(run, provider)
    if must_not_start(run):
        if not await adopt_job(hold, await provider.jobs(run)):
            await hold.record(given_up)
        return
    await submit_run(hold, provider, objects)


async def adopt_job(hold: Hold, jobs: list[Job]) -> bool:
    """Take the oldest of the run's jobs as its own; False when there is none.

    Following a run of which more than one job was seen cancels the others.
    """
    kept, others = keep_one(jobs)
    if kept is None:
        return False
    await hold.record(
        lambda run, _: replace(adopted(run, kept), doubted=run.doubted or bool(others)), due_in=0.0
    )
    return True
