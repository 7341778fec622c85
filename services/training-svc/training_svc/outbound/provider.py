"""A provider that speaks OpenAI's files and jobs protocol, through the official client.

Nothing is retried here: a repeated create could start a second paid job, and all else is tried again by
the worker. Every error leaves as one of domain.errors, without the provider's words. What a server lacks by
the catalogue is not asked of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from chassis.observability import provider_call
from contracts.catalogue import Limits, ProviderEntry
from training_svc.domain.errors import BusyError, MissingError, RefusedError
from training_svc.domain.job import Job, JobEvent, belongs
from training_svc.domain.run import Run, TrainingFile
from training_svc.outbound.answers import (
    answered,
    cut,
    figures,
    number,
    outcome_of,
    read_event,
    read_job,
    text,
)
from training_svc.outbound.parts import upload_parts

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MOST_JOBS = 1_000
MOST_EVENTS = 2_000
MOST_RESULT_BYTES = 16 * 1024 * 1024
SETTLES = frozenset({"pending", "uploaded", "running", "processing", "notRunning"})
SETTLE_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """A file at the provider."""

    id: str
    name: str


class Provider:
    """One owner's account at a provider."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        timeout: float,
        upload_timeout: float,
        entry: ProviderEntry,
        limits: Limits,
    ) -> None:
        self._client = client.with_options(max_retries=0, timeout=timeout)
        self._timeout = timeout
        self._upload_timeout = upload_timeout
        self.can = entry.capabilities
        self._id = entry.id
        self._limits = limits

    @asynccontextmanager
    async def _call(self, operation: str, seconds: float | None = None) -> AsyncIterator[None]:
        """Count a call and let it take so long in all; what goes wrong becomes an error of ours."""
        with provider_call(self._id, operation, outcome_of):
            async with answered(seconds or self._timeout):
                yield

    async def files(self, prefix: str) -> list[ProviderFile]:
        """Return the training files whose name begins with `prefix`."""
        found = []
        async with self._call("list_files"):
            async for file in self._client.files.list(purpose="fine-tune"):
                if str(file.filename).startswith(prefix):
                    found.append(ProviderFile(file.id, file.filename))
        return found

    def in_parts(self, file: TrainingFile) -> bool:
        """Tell whether a file must come in parts; raises RefusedError when it is too large for that too."""
        whole, parts = self._limits.file_bytes, self._limits.upload_bytes
        if whole is None or file.bytes <= whole:
            return False
        if not self.can.uploads or (parts is not None and file.bytes > parts):
            raise RefusedError("file_too_large")
        return True

    async def upload(self, name: str, content: IO[bytes]) -> str:
        """Upload a training file and return its id."""
        async with self._call("upload", self._upload_timeout):
            answer = await self._client.files.create(
                file=(name, content), purpose="fine-tune", timeout=self._upload_timeout
            )
            return str(answer.id)

    async def upload_in_parts(self, name: str, file: TrainingFile, chunks: AsyncIterator[bytes]) -> str:
        """Upload a large file part by part, with flat memory; raises RefusedError when it is damaged."""
        with provider_call(self._id, "upload_in_parts", outcome_of):
            return await upload_parts(
                self._client, name, file, chunks, size=self._limits.part_bytes, seconds=self._upload_timeout
            )

    async def settled(self, file_ids: set[str]) -> None:
        """Raise BusyError while a file is not processed yet, where a job must wait for that."""
        if not self.can.files_settle:
            return
        for file_id in sorted(file_ids):
            async with self._call("look_at_file"):
                status = str((await self._client.files.retrieve(file_id)).status)
            if status in SETTLES:
                raise BusyError("files_settling", SETTLE_PAUSE)
            if status in {"error", "failed"}:
                raise RefusedError("invalid_file_format", "training_file")

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""
        try:
            async with self._call("delete_file"):
                await self._client.files.delete(file_id)
        except MissingError:
            return

    async def jobs(self, run: Run) -> list[Job]:
        """Return all jobs of a run: asked for by metadata, and matched here as some ignore the filter."""
        found, seen = [], 0
        wanted: dict[str, Any] = {}
        if self.can.metadata == "filtered":
            wanted["metadata"] = {"run_id": run.request.run_id}
        async with self._call("list_jobs"):
            async for answer in self._client.fine_tuning.jobs.list(limit=100, **wanted):
                seen += 1
                job = read_job(answer)
                if belongs(job, run):
                    found.append(job)
                if seen >= MOST_JOBS:
                    break
        return found

    async def create_job(self, run: Run) -> Job:
        """Create the run's job, once. NoAnswerError means that nobody knows whether it was created."""
        request = run.request
        more: dict[str, Any] = {"suffix": request.suffix, "seed": request.seed}
        more["validation_file"] = run.validation_file_id
        more |= self._hyperparameters(request.method, request.hyperparameters)
        if self.can.metadata != "dropped":
            more["metadata"] = {"run_id": request.run_id}
        async with self._call("create_job"):
            answer = await self._client.fine_tuning.jobs.create(
                model=request.base_model,
                training_file=run.training_file_id or "",
                **{name: value for name, value in more.items() if value is not None},
            )
            return read_job(answer)

    def _hyperparameters(self, method: str, values: dict[str, Any]) -> dict[str, Any]:
        if self.can.hyperparameters == "top_level":
            return {"hyperparameters": values} if values else {}
        return {"method": {"type": method, method: {"hyperparameters": values} if values else {}}}

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        async with self._call("look_at_job"):
            return read_job(await self._client.fine_tuning.jobs.retrieve(job_id))

    async def listed_jobs(self, wanted: Collection[str]) -> dict[str, Job]:
        """Return those of the wanted jobs that the account's list shows, by id.

        Newest first, and no further than looking at each job by itself would be cheaper.
        """
        found: dict[str, Job] = {}
        async with self._call("list_jobs"):
            page = await self._client.fine_tuning.jobs.list(limit=100)
            for _ in range(len(wanted)):
                found |= {one.id: read_job(one) for one in page.data if one.id in wanted}
                if len(found) == len(wanted) or not page.has_next_page():
                    break
                page = await page.get_next_page()
        return found

    async def cancel(self, job_id: str) -> None:
        """Cancel a job; one that has ended already is no error."""
        try:
            async with self._call("cancel"):
                await self._client.fine_tuning.jobs.cancel(job_id)
        except (RefusedError, MissingError):
            return

    async def pause(self, job_id: str) -> bool:
        """Pause a job; False when the provider does not do it now."""
        return await self._control(self._client.fine_tuning.jobs.pause, job_id)

    async def resume(self, job_id: str) -> bool:
        """Let a paused job go on; False when the provider does not do it now."""
        return await self._control(self._client.fine_tuning.jobs.resume, job_id)

    async def _control(self, call: Any, job_id: str) -> bool:
        try:
            async with self._call("control"):
                await call(job_id)
        except (RefusedError, MissingError):
            return False
        return True

    async def events(self, job_id: str, known: str | None) -> list[JobEvent]:
        """Return the lines of the job's diary that are newer than the line `known`, newest first."""
        found: list[JobEvent] = []
        async with self._call("events"):
            async for answer in self._client.fine_tuning.jobs.list_events(job_id, limit=100):
                if answer.id == known or len(found) >= MOST_EVENTS:
                    break
                found.append(read_event(answer))
        return found

    async def checkpoints(self, job_id: str) -> list[dict[str, Any]] | None:
        """Return the job's checkpoints: model, step and figures; None where there are none to ask for."""
        if not self.can.checkpoints:
            return None
        async with self._call("checkpoints"):
            page = await self._client.fine_tuning.jobs.checkpoints.list(job_id, limit=10)
            return [
                {
                    "model": cut(one.fine_tuned_model_checkpoint),
                    "step": number(one.step_number),
                    "metrics": figures(one.metrics.model_dump()) if one.metrics else None,
                }
                for one in page.data
                if text(one.fine_tuned_model_checkpoint) and number(one.step_number) is not None
            ]

    async def result_file(self, job: Job) -> bytes:
        """Return the text of the job's result file, which some servers send in base64; empty without one."""
        if not self.can.result_files or not job.result_files:
            return b""
        async with self._call("result_file"):
            answer = await self._client.files.content(job.result_files[0])
            content: bytes = answer.content[:MOST_RESULT_BYTES]
        if b"," in content:
            return content
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            return content
