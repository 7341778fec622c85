"""CloudEvents in binary mode: reading a Kafka record without trusting it, writing one whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError
from uuid_utils.compat import uuid7

from chassis.errors import Permanent, describe
from contracts.event import Event
from contracts.registry import EVENTS

E_co = TypeVar("E_co", bound=Event, covariant=True)
MAX_HEADER = 512
UNKNOWN = datetime.max.replace(tzinfo=UTC)


class BadRecordError(Permanent):
    """A record that no handler may see; `path` says which part of it is wrong."""

    def __init__(self, reason: str, path: str = "", tenant: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.tenant = tenant


class Record(Protocol):
    """The part of an aiokafka ConsumerRecord that is read here."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes | None]]


class Received(NamedTuple, Generic[E_co]):  # made for each record: a tuple takes a third of the time
    """One event as a handler sees it: parsed, with what its headers say."""

    event: E_co
    tenant: str
    id: str
    source: str
    time: datetime
    sequence: int
    traceparent: str
    partition: int = 0
    offset: int = 0
    appended: datetime = UNKNOWN
    """When the broker took it, where the topic's records bear that time; UNKNOWN lies behind all times."""


def read_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Return the headers that are usable text; null, non-UTF-8 and overlong ones are left out."""
    clean: dict[str, str] = {}
    for name, value in headers:
        if value is None or len(value) > MAX_HEADER:
            continue
        try:
            clean[name] = value.decode()
        except UnicodeDecodeError:
            continue
    return clean


def _required(headers: dict[str, str], name: str, tenant: str) -> str:
    value = headers.get(name, "")
    if not value or "\x00" in value:
        raise BadRecordError(f"header {name} is missing, empty or not text", f"headers.{name}", tenant)
    return value


def _time(text: str, tenant: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadRecordError("header ce_time is not an RFC 3339 time", "headers.ce_time", tenant)


def _appended(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds >= 0 else UNKNOWN
    except (ValueError, OverflowError, OSError):
        return UNKNOWN


def decode(record: Record, max_body: int) -> Received[Event]:
    """Parse one record; raises BadRecordError naming the wrong part, whatever the record holds."""
    headers = read_headers(record.headers)
    tenant = headers.get("ce_tenantid", "")
    tenant = _required(headers, "ce_tenantid", tenant)
    kind = _required(headers, "ce_type", tenant)
    identifier, source = _required(headers, "ce_id", tenant), _required(headers, "ce_source", tenant)
    moment = _time(_required(headers, "ce_time", tenant), tenant)
    if record.value is None:
        raise BadRecordError("the body is null", "body", tenant)
    if len(record.value) > max_body:
        raise BadRecordError(f"the body has {len(record.value)} bytes, over {max_body}", "body", tenant)
    model = EVENTS.get(kind)
    if model is None:
        raise BadRecordError("unknown event type", "headers.ce_type", tenant)
    try:
        event = model.from_body(record.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        raise BadRecordError(describe(error), ".".join(map(str, first["loc"])) or "body", tenant) from None
    sequence = headers.get("ce_sequence", "")
    return Received(
        event=event,
        tenant=tenant,
        id=identifier,
        source=source,
        time=moment,
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() else 0,
        traceparent=headers.get("traceparent", ""),
        partition=record.partition,
        offset=record.offset,
        appended=_appended(record.timestamp),
    )


def new_headers(event: Event, *, tenant: str, source: str, traceparent: str = "") -> dict[str, str]:
    """Return the CloudEvents headers of a new event; the sequence is added when it is stored."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid7()),
        "ce_type": event.TYPE,
        "ce_source": source,
        "ce_time": datetime.now(UTC).isoformat(),
        "ce_subject": event.key(),
        "ce_tenantid": tenant,
        "content-type": "application/json",
    }
    if traceparent:
        headers["traceparent"] = traceparent
    return headers


def encode_headers(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    """Return the headers in the form that aiokafka sends."""
    return [(name, value.encode()) for name, value in headers.items()]


AnyReceived = Received[Any]
