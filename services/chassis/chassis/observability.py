"""Logs, metrics and traces. No tenant, agent or run id is a metric label; no text or key is logged."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from prometheus_client import Counter, Gauge, Histogram, Info

SECRET = re.compile(r"\b(sk-[A-Za-z0-9_\-]{4})[A-Za-z0-9_\-]+|\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-.]+")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

build = Info("mortarboard_build", "What runs here")
consumed = Counter("mortarboard_consumed_total", "Records taken, by result", ["topic", "result"])
batch_seconds = Histogram(
    "mortarboard_batch_seconds", "One batch, begin to commit", ["topic"], buckets=SECONDS
)
hop_seconds = Histogram(
    "mortarboard_hop_seconds",
    "Event written to effect committed here, of each batch's oldest",
    ["topic"],
    buckets=SECONDS,
)
consumer_lag = Gauge("mortarboard_consumer_lag", "Records not yet taken", ["topic", "partition"])
retries = Counter("mortarboard_batch_retries_total", "Batches read again after a transient error", ["topic"])
dead_letters = Counter("mortarboard_dead_letters_total", "Records set aside", ["topic"])
over_share = Counter(
    "mortarboard_tenant_over_share_total", "Windows in which one tenant fills the dead letters"
)
outbox_depth = Gauge(
    "mortarboard_outbox_rows", "Events in the relay's next window (at most 200), not yet published", ["lane"]
)
outbox_age = Gauge("mortarboard_outbox_oldest_seconds", "Age of the oldest unpublished event", ["lane"])
published = Counter("mortarboard_published_total", "Events published", ["topic"])
lease_held = Gauge("mortarboard_lease_held", "1 while this process holds the lease", ["lease"])
expired_rows = Counter("mortarboard_expired_rows_total", "Rows let go of when their time was over", ["kind"])
expired_bytes = Counter(
    "mortarboard_expired_bytes_total", "What those rows held, as it was stored, without indexes", ["kind"]
)
http_seconds = Histogram(
    "mortarboard_http_seconds", "HTTP requests", ["method", "route", "status"], buckets=SECONDS
)
provider_calls = Counter(
    "mortarboard_provider_calls_total",
    "Calls to providers, by how they ended",
    ["provider", "operation", "outcome"],
)
provider_seconds = Histogram(
    "mortarboard_provider_seconds",
    "Calls to providers, until their answer begins",
    ["provider", "operation"],
    buckets=SECONDS,
)

kafka_up = Gauge("mortarboard_kafka_up", "1 while the broker lets this process in, NaN if it needs none")
kafka_up.set(math.nan)  # a process that serves HTTP only never asks, and must not look refused

tracer = trace.get_tracer("mortarboard")


def mask(text: str) -> str:
    """Return `text` with anything that looks like a provider key or a token cut short."""
    return SECRET.sub(lambda match: f"{match.group(1) or 'token'}…", text)


def _mask_values(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = mask(value)
    return entry


def _add_trace(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry["trace_id"] = format(context.trace_id, "032x")
    return entry


def configure_logs(service: str, level: str) -> None:
    """Write one JSON object a line to standard error; library logs pass through the same masking."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            _add_trace,
            _mask_values,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryLogs()], force=True)


class _LibraryLogs(logging.Handler):
    """Passes library warnings on by name and template only: their arguments may hold anything."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log().warning("library", logger=record.name, template=str(record.msg)[:200], error=error)


def log() -> Any:
    """Return the logger of this process."""
    return structlog.get_logger()


def configure_traces(service: str, endpoint: str) -> None:
    """Send spans to an OpenTelemetry collector; without an endpoint nothing is recorded."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class WithoutQuery(SpanProcessor):
        """Leaves out of a request's span what the caller asked for: it may be a name, or a key."""

        def on_start(self, span: Span, parent_context: object = None) -> None:  # noqa: ARG002
            if span.attributes and "url.query" in span.attributes:
                span.set_attribute("url.query", "…")

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(WithoutQuery())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)


def _link(traceparent: str) -> Link | None:
    parts = traceparent.split("-")
    try:
        context = SpanContext(int(parts[1], 16), int(parts[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    except (IndexError, ValueError):
        return None
    return Link(context) if context.is_valid else None


def messaging(operation: str, topic: str, count: int, group: str = "") -> dict[str, str | int]:
    """Return a span's attributes by OpenTelemetry's conventions for messaging; ids and keys are left out."""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.batch.message_count": count,
    }
    return attributes | ({"messaging.consumer.group.name": group} if group else {})


@contextmanager
def batch_span(
    name: str, kind: SpanKind, traceparents: Sequence[str], attributes: Mapping[str, str | int]
) -> Iterator[None]:
    """One span for a batch, linked to the events in it. Of an error it holds the kind, never the text."""
    links = [link for link in map(_link, dict.fromkeys(filter(None, traceparents))) if link]
    with tracer.start_as_current_span(
        name,
        kind=kind,
        links=links[:100],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def linked_span(name: str, traceparent: str, **attributes: str) -> AbstractContextManager[None]:
    """One span that goes on from an earlier one, however long ago that was."""
    return batch_span(name, SpanKind.INTERNAL, [traceparent], attributes)


@contextmanager
def provider_call(
    provider: str, operation: str, outcome_of: Callable[[BaseException], str]
) -> Iterator[None]:
    """Count and time a call to a provider; `outcome_of` names an error: one of a few words."""
    began, outcome = time.perf_counter(), "ok"
    try:
        yield
    except asyncio.CancelledError:
        outcome = "given_up"  # by us: this process ends, or nobody waits any longer
        raise
    except BaseException as error:
        outcome = outcome_of(error)
        raise
    finally:
        provider_calls.labels(provider, operation, outcome).inc()
        provider_seconds.labels(provider, operation).observe(time.perf_counter() - began)


def flush_traces() -> None:
    """Send the spans that still wait, for at most 2 s; before a process ends."""
    provider = trace.get_tracer_provider()
    # without an endpoint this is a placeholder that has nothing to flush
    flush = getattr(provider, "force_flush", None)
    if flush is not None:
        flush(timeout_millis=2_000)


def current_traceparent() -> str:
    """Return the W3C traceparent of the running span, or an empty string."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
