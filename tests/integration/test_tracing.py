"""Traces over Kafka: each batch is a span, linked to the spans in which its events were published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from deploy.stack.services import Surroundings
from tests.collector import collecting
from tests.harness import now, publish, publisher, records, service, until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def link_of(link: Any) -> tuple[str, str]:
    return link.trace_id.hex(), link.span_id.hex()


async def test_a_batch_is_a_span_linked_to_its_events_across_services(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    message = ChatMessage(id="m1", role="user", content="text", at=now())
    events = [
        MessagePosted(dialog_id="d1", agent_id="shop", message=message, source="live"),
        DialogEnded(dialog_id="d1", agent_id="shop", at=now()),
    ]
    with collecting() as collector:
        async with (
            service(surroundings, "dialog-svc", tmp_path, otlp_endpoint=collector.address),
            service(surroundings, "dataset-svc", tmp_path, otlp_endpoint=collector.address),
            publisher(surroundings) as producer,
        ):
            await publish(producer, surroundings, events, traceparent=f"00-{TRACE}-{SPAN}-01")
            (completed,) = await until(lambda: records(surroundings, "dialog.completed"))

            async def both_told() -> Any:
                return collector.spans("dialog-svc") and collector.spans("dataset-svc")

            await until(both_told)
    intake = [span for span in collector.spans("dialog-svc") if span.name == "process chat.events"]
    assert {link_of(link) for span in intake for link in span.links} == {(TRACE, SPAN)}
    _, trace, span_id, _ = dict(completed.headers)["traceparent"].decode().split("-")
    assert (trace, span_id) in {(span.trace_id.hex(), span.span_id.hex()) for span in intake}
    following = [span for span in collector.spans("dataset-svc") if span.name == "process dialog.completed"]
    assert (trace, span_id) in {link_of(link) for span in following for link in span.links}
