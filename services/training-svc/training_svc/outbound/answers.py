"""What a provider answers, read with tolerance, and its refusals as errors of ours, without its words."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from training_svc.domain.errors import (
    BusyError,
    KeyRefusedError,
    MissingError,
    NoAnswerError,
    ProviderError,
    RefusedError,
)
from training_svc.domain.job import Job, JobEvent, event_code
from training_svc.domain.refusals import classify

if TYPE_CHECKING:
    from openai import APIStatusError


LARGEST = 2**53
"""Whole numbers beyond this are no count of anything, and would overflow what is reckoned with them."""
UNREADABLE = (
    TimeoutError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
"""What reading an answer of any form may raise."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What the database takes in no text: a NUL, and half of a surrogate pair."""


def cut(value: object, most: int = 256) -> str:
    """Return a value as a text that can be stored, cut to what is kept."""
    return UNSTORABLE.sub("\ufffd", str(value))[:most]


def text(value: object) -> str | None:
    """Return a text that can be stored, cut to what is kept, or None for anything else."""
    return cut(value) if isinstance(value, str) and value else None


def number(value: object) -> int | None:
    """Return a whole number that is not negative and not absurd, or None for anything else."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= LARGEST else None  # type: ignore[operator, return-value]


def figures(values: object) -> dict[str, int | float]:
    """Return the figures among named values, at most 32, without what JSON cannot hold (NaN, infinity)."""
    named = list(values.items())[:32] if isinstance(values, dict) else []
    return {cut(name, 64): value for name, value in named if _is_figure(value)}


def _is_figure(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= LARGEST


def read_job(answer: Any) -> Job:
    """Read a job from an answer that may lack, add or null anything; raises NoAnswerError without an id."""
    job_id, status = text(getattr(answer, "id", None)), text(getattr(answer, "status", None))
    if job_id is None or status is None:
        raise NoAnswerError
    error, metadata = getattr(answer, "error", None), getattr(answer, "metadata", None)
    return Job(
        id=job_id,
        created_at=number(getattr(answer, "created_at", None)) or 0,
        status=status,
        training_file=text(getattr(answer, "training_file", None)),
        run_id=text(metadata.get("run_id")) if isinstance(metadata, dict) else None,
        model=text(getattr(answer, "fine_tuned_model", None)),
        trained_tokens=number(getattr(answer, "trained_tokens", None)),
        error_code=text(getattr(error, "code", None)),
        error_param=text(getattr(error, "param", None)),
        result_files=tuple(filter(None, map(text, getattr(answer, "result_files", None) or ()))),
    )


def read_event(answer: Any) -> JobEvent:
    """Read a line of a job's diary; raises like `read_job` when it is none."""
    kind = str(getattr(answer, "type", "") or "")
    return JobEvent(
        id=cut(answer.id),
        at=datetime.fromtimestamp(answer.created_at, UTC),
        level=cut(answer.level, 16),
        code=event_code(str(answer.message), kind),
        data=figures(answer.data),
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
        param=text(error.param),
        retry_after=_retry_after(error.response.headers),
    )


OUTCOMES: dict[type[BaseException], str] = {
    KeyRefusedError: "key_refused",
    BusyError: "busy",
    MissingError: "missing",
    RefusedError: "refused",
}


def outcome_of(error: BaseException) -> str:
    """Return one word for how a call ended, as metrics name it."""
    return OUTCOMES.get(type(error), "unavailable")


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
    except (openai.APIError, *UNREADABLE):
        raise NoAnswerError from None
