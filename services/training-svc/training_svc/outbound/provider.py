"""A provider that speaks OpenAI's files and jobs protocol, through the official client.

Nothing is retried here: a repeated create could start a second paid job, and all else is tried again by
the worker. Every error leaves as one of domain.errors, without the provider's words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any

from contracts.catalogue import Limits, ProviderEntry
from training_svc.domain.errors import (
    KeyRefusedError,
    MissingError,
    NoAnswerError,
    ProviderError,
    RefusedError,
)
from training_svc.domain.job import Job, JobEvent, belongs, event_code
from training_svc.domain.refusals import classify
from training_svc.domain.run import Run

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

MOST_JOBS = 1_000
MOST_EVENTS = 2_000


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """A file at the provider."""

    id: str
    name: str


def _text(value: object) -> str | None:
    return value[:256] if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_job(answer: Any) -> Job:
    """Read a job from an answer that may lack, add or null anything; raises NoAnswerError without an id."""
    job_id, status = _text(getattr(answer, "id", None)), _text(getattr(answer, "status", None))
    if job_id is None or status is None:
        raise NoAnswerError
    error, metadata = getattr(answer, "error", None), getattr(answer, "metadata", None)
    return Job(
        id=job_id,
        created_at=_number(getattr(answer, "created_at", None)) or 0,
        status=status,
        training_file=_text(getattr(answer, "training_file", None)),
        run_id=_text(metadata.get("run_id")) if isinstance(metadata, dict) else None,
        model=_text(getattr(answer, "fine_tuned_model", None)),
        trained_tokens=_number(getattr(answer, "trained_tokens", None)),
        error_code=_text(getattr(error, "code", None)),
        error_param=_text(getattr(error, "param", None)),
    )


def _event(answer: Any) -> JobEvent:
    data = answer.data if isinstance(answer.data, dict) else {}
    figures = {
        str(name)[:64]: value
        for name, value in list(data.items())[:32]
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    kind = str(getattr(answer, "type", "") or "")
    return JobEvent(
        id=str(answer.id)[:256],
        at=datetime.fromtimestamp(answer.created_at, UTC),
        level=str(answer.level)[:16],
        code=event_code(str(answer.message), kind),
        data=figures,
    )


def _retry_after(headers: Any) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None


def _refusal(error: APIStatusError) -> ProviderError:
    body = error.body if isinstance(error.body, dict) else {}
    return classify(
        error.status_code,
        str(error.code or body.get("code") or error.type or ""),
        message=str(body.get("message") or ""),
        param=_text(error.param),
        retry_after=_retry_after(error.response.headers),
    )


@asynccontextmanager
async def answered(seconds: float) -> AsyncIterator[None]:
    """Let a call take `seconds` in all and turn whatever goes wrong into an error of ours."""
    import openai

    try:
        async with asyncio.timeout(seconds):
            yield
    except openai.APIStatusError as error:
        raise _refusal(error) from None
    except UnicodeError:
        raise KeyRefusedError("key_refused") from None
    except (openai.APIError, TimeoutError, OSError, ValueError, TypeError, AttributeError):
        raise NoAnswerError from None


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
        self._can = entry.capabilities
        self._limits = limits

    async def files(self, prefix: str) -> list[ProviderFile]:
        """Return the training files whose name begins with `prefix`."""
        found = []
        async with answered(self._timeout):
            async for file in self._client.files.list(purpose="fine-tune"):
                if str(file.filename).startswith(prefix):
                    found.append(ProviderFile(file.id, file.filename))
        return found

    async def upload(self, name: str, content: IO[bytes]) -> str:
        """Upload a training file and return its id."""
        async with answered(self._upload_timeout):
            answer = await self._client.files.create(
                file=(name, content), purpose="fine-tune", timeout=self._upload_timeout
            )
            return str(answer.id)

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is no error."""
        try:
            async with answered(self._timeout):
                await self._client.files.delete(file_id)
        except MissingError:
            return

    async def jobs(self, run: Run) -> list[Job]:
        """Return all jobs of a run: asked for by metadata, and matched here as some ignore the filter."""
        found, seen = [], 0
        async with answered(self._timeout):
            async for answer in self._client.fine_tuning.jobs.list(
                limit=100, metadata={"run_id": run.request.run_id}
            ):
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
        async with answered(self._timeout):
            answer = await self._client.fine_tuning.jobs.create(
                model=request.base_model,
                training_file=run.training_file_id or "",
                metadata={"run_id": request.run_id},
                **{name: value for name, value in more.items() if value is not None},
            )
            return read_job(answer)

    def _hyperparameters(self, method: str, values: dict[str, Any]) -> dict[str, Any]:
        if self._can.hyperparameters == "top_level":
            return {"hyperparameters": values} if values else {}
        return {"method": {"type": method, method: {"hyperparameters": values} if values else {}}}

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        async with answered(self._timeout):
            return read_job(await self._client.fine_tuning.jobs.retrieve(job_id))

    async def listed_jobs(self, wanted: Collection[str]) -> dict[str, Job]:
        """Return those of the wanted jobs that the account's list shows, by id.

        Newest first, and no further than looking at each job by itself would be cheaper.
        """
        found: dict[str, Job] = {}
        async with answered(self._timeout):
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
            async with answered(self._timeout):
                await self._client.fine_tuning.jobs.cancel(job_id)
        except (RefusedError, MissingError):
            return

    async def events(self, job_id: str, known: str | None) -> list[JobEvent]:
        """Return the lines of the job's diary that are newer than the line `known`, newest first."""
        found: list[JobEvent] = []
        async with answered(self._timeout):
            async for answer in self._client.fine_tuning.jobs.list_events(job_id, limit=100):
                if answer.id == known or len(found) >= MOST_EVENTS:
                    break
                found.append(_event(answer))
        return found

    async def checkpoints(self, job_id: str) -> list[dict[str, Any]]:
        """Return the job's checkpoints: model, step and figures."""
        async with answered(self._timeout):
            page = await self._client.fine_tuning.jobs.checkpoints.list(job_id, limit=10)
            return [
                {
                    "model": str(one.fine_tuned_model_checkpoint)[:256],
                    "step": one.step_number,
                    "metrics": one.metrics.model_dump(exclude_none=True) if one.metrics else None,
                }
                for one in page.data
            ]
