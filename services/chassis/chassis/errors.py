"""The errors that the chassis treats alike in every service.

Only two branches matter to the handler loop: `Transient` (try again later) and everything
else (this record or request is at fault). `Problem` is what an HTTP caller sees, RFC 9457.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from pydantic import ValidationError


class ServiceError(Exception):
    """Base of every error that a service raises on purpose; its text holds no secret and no message."""


class Transient(ServiceError):  # noqa: N818 -- one of two branches, not one error
    """The same attempt may succeed later: nothing is wrong with the input."""


class Permanent(ServiceError):  # noqa: N818 -- as above
    """Trying again cannot help: the input is at fault."""


class LeaseLostError(Transient):
    """Another worker holds the lease now; what this one began must not be recorded."""


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence for a person, in English and Russian."""

    en: str
    ru: str

    def in_language(self, language: str) -> str:
        """Return the sentence in `language` ("ru" or anything else for English)."""
        return self.ru if language == "ru" else self.en


class Problem(Permanent):
    """A refusal that an HTTP caller sees: a stable code, the field, and what to do next.

    `extra` is merged into the problem document (RFC 9457 extension members).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: Text,
        *,
        action: Text | None = None,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{code}: {detail.en}")
        self.status = status
        self.code = code
        self.detail = detail
        self.action = action
        self.field = field
        self.headers = headers or {}
        self.extra = extra


def not_found(kind: Text, identifier_field: str = "id") -> Problem:
    """Return the 404 for a thing that is not there, or not this tenant's: both look the same."""
    return Problem(
        404,
        "not_found",
        Text(f"There is no such {kind.en}.", f"Нет такого объекта: {kind.ru}."),
        action=Text("Check the identifier.", "Проверьте идентификатор."),
        field=identifier_field,
    )


TRANSIENT_POSTGRES: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is being changed
    asyncpg.InterfaceError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalServerError,
)


def is_transient(error: BaseException) -> bool:
    """Tell whether the same attempt may succeed later."""
    if isinstance(error, TRANSIENT_POSTGRES):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate == "25P04"  # transaction_timeout, which has no class of its own
    return isinstance(
        error, Transient | ConnectionError | OSError | TimeoutError | asyncio.TimeoutError | KafkaError
    )


def describe(error: BaseException) -> str:
    """Return what may be written to a log or a dead letter: never the input that caused it."""
    if isinstance(error, ValidationError):
        rows = error.errors(include_input=False, include_context=False, include_url=False)
        return "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['type']}" for row in rows[:10])
    if isinstance(error, ServiceError):
        return f"{type(error).__name__}: {error}"
    sqlstate = getattr(error, "sqlstate", None)
    constraint = getattr(error, "constraint_name", None)
    parts = [type(error).__name__, *(str(part) for part in (sqlstate, constraint) if part)]
    return " ".join(parts)


def where(error: BaseException) -> list[str]:
    """Return the stack of `error` as "file:line function", without values."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[-8:]
