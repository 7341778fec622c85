"""Look at a run's job once and record what became of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from training_svc.domain.curves import figures_of, merged, read_results
from training_svc.domain.errors import ProviderError, RefusedError
from training_svc.domain.job import Job, JobEvent, followed, keep_one
from training_svc.domain.run import Run
from training_svc.outbound import diary_store
from training_svc.outbound.provider import Provider
from training_svc.settings import TrainingSettings
from training_svc.usecases.apply_wish import apply_wish
from training_svc.usecases.hold import Hold

FIRST_MINUTE = 60.0
EXTRA_TRIES = 4
Extra = TypeVar("Extra")
AGE_PER_SECOND = 60.0
"""Seconds of age for each second between two looks."""


async def follow_run(
    hold: Hold,
    provider: Provider,
    database: Database,
    catalogue: Catalogue,
    settings: TrainingSettings,
    job: Job | None = None,
) -> None:
    """Ask the provider, pass on a wish to cancel, store status, diary and event together.

    `job` is the run's job when a list has just shown it.
    """
    run = hold.run
    if job is None:
        job_id = await _the_one_job(run, provider)
        await apply_wish(run, job_id, provider)
        job = await provider.job(job_id)
    diary = await _new_lines(run, job, provider, database)
    checkpoints, curves = run.checkpoints, figures_of(diary)
    if job.status == "succeeded":
        checkpoints = await _extra(provider.checkpoints(job.id), run)
        curves = merged(curves, read_results(await _extra(provider.result_file(job), run) or b""))
    model = catalogue.base_model(run.request.provider, run.request.base_model)

    def change(run: Run, now: datetime) -> Run:
        seen = followed(replace(run, job_id=job.id), job, model.price if model else None, now)
        return replace(seen, progress=_progress(diary) or run.progress, checkpoints=checkpoints)

    async def store_diary(transaction: Transaction, _: datetime) -> None:
        await diary_store.add_events(transaction.connection, run, diary)
        await diary_store.add_metrics(transaction.connection, run, curves)

    await hold.record(change, due_in=pause(run, settings), also=store_diary)


def pause(run: Run, settings: TrainingSettings) -> float:
    """Return the seconds until the next look, spread by a fifth either way so that runs don't go in step.

    A run's first minute is watched closely; after that its age decides, up to the slowest pace.
    """
    age = 0.0 if run.checked_at is None else (run.checked_at - run.created_at).total_seconds()
    if age < FIRST_MINUTE:
        usual = settings.follow_fast
    else:
        usual = min(max(age / AGE_PER_SECOND, settings.follow_interval), settings.follow_slowest)
    return usual * random.uniform(0.8, 1.2)  # noqa: S311 -- no secret


async def _the_one_job(run: Run, provider: Provider) -> str:
    """Return the job to follow. After a doubt there may be two: the oldest stays, the rest is cancelled."""
    if run.doubted:
        kept, others = keep_one(await provider.jobs(run))
        for job in others:
            await provider.cancel(job.id)
        if kept is not None:
            return kept.id
    return run.job_id or ""


async def _new_lines(run: Run, job: Job, provider: Provider, database: Database) -> list[JobEvent]:
    async with database.transaction() as transaction:
        known = await diary_store.last_event(transaction.connection, run.request.tenant, run.request.run_id)
    try:
        return await provider.events(job.id, known)
    except ProviderError:
        return []  # the diary is an extra: the status must not wait for it


async def _extra(asked: Awaitable[Extra], run: Run) -> Extra | None:
    """Return what a finished job left beside its model; None when the last try fails too."""
    try:
        return await asked
    except RefusedError:
        return None
    except ProviderError:
        if run.failures < EXTRA_TRIES:
            raise
        return None


def _progress(diary: list[JobEvent]) -> dict[str, int | None] | None:
    for line in diary:
        step, total = line.data.get("step"), line.data.get("total_steps")
        if line.code == "step_done" and isinstance(step, int):
            return {"step": step, "total_steps": total if isinstance(total, int) else None}
    return None
