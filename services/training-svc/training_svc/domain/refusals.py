"""What a provider's refusal means: one table from status and code to our errors."""

from __future__ import annotations

import re

from training_svc.domain.errors import (
    BusyError,
    KeyRefusedError,
    MissingError,
    NoAnswerError,
    ProviderError,
    RefusedError,
)

NO_MONEY = frozenset({"insufficient_quota", "credit_balance_exhausted"})
SCOPES = re.compile(r"[Mm]issing scopes?:\s*((?:[a-z_]+(?:\.[a-z_]+)+(?:,\s*)?)+)")
OVER_LIMIT = frozenset({"billing_hard_limit_reached"})
KNOWN = frozenset(
    {"invalid_training_file", "invalid_validation_file", "invalid_file_format", "model_not_available"}
)
RATE_PAUSE = 5.0
LONGEST_PAUSE = 3600.0


def classify(
    status: int, code: str, *, message: str = "", param: str | None = None, retry_after: float | None = None
) -> ProviderError:
    """Return our error for an answer that refuses; `message` is only looked at, never kept."""
    if status == 401:  # noqa: PLR2004 -- HTTP statuses speak for themselves here
        lacks = "missing scope" in message.lower() or "insufficient permissions" in message.lower()
        scopes = SCOPES.search(message)
        named = scopes[1].strip().rstrip(",")[:256] if scopes else None
        return KeyRefusedError("key_lacks_permission" if lacks else "key_refused", named)
    if status == 403:  # noqa: PLR2004
        return RefusedError(_forbidden(code))
    if status == 404:  # noqa: PLR2004
        return MissingError("job_missing", param)
    if status == 429:  # noqa: PLR2004
        return _too_many(code, retry_after)
    if status in {408, 409} or status >= 500:  # noqa: PLR2004
        return NoAnswerError(retry_after=min(retry_after or 0.0, LONGEST_PAUSE))
    return RefusedError(code if code in KNOWN else "request_refused", param)


def _forbidden(code: str) -> str:
    if code == "training_not_available":
        return code
    return "country_not_supported" if "country" in code else "request_refused"


def _too_many(code: str, retry_after: float | None) -> ProviderError:
    if code in NO_MONEY:
        return RefusedError(code)
    if code in OVER_LIMIT or (code.endswith("_limit_exceeded") and not code.startswith("rate_")):
        return RefusedError("limit_exceeded", code)
    pause = RATE_PAUSE if retry_after is None else retry_after
    return BusyError("provider_busy", min(max(pause, 0.0), LONGEST_PAUSE))
