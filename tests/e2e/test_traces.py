"""One chain of spans from the owner's request to train to the route that names the trained model.

And one from the chat backend's event to the dialog in the owner's list. Between the two stands the owner.
Prints both as trees with `-s`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.stack.services import SERVICES, Surroundings
from tests.collector import Collector, collecting
from tests.e2e.world import loop_world, walk
from tests.harness import until

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass
class Node:
    """A span with what it follows from: its parent, and the spans that it is linked to."""

    service: str
    name: str
    kind: str
    attributes: dict[str, Any]
    causes: set[str] = field(default_factory=set)


def graph(collector: Collector) -> dict[str, Node]:
    """Every span by its id."""
    found = {}
    for one in SERVICES:
        for span in collector.spans(one.name):
            values = {item.key: item.value for item in span.attributes}
            told = {key: value.string_value or value.int_value for key, value in values.items()}
            causes = {link.span_id.hex() for link in span.links} | {span.parent_span_id.hex()}
            found[span.span_id.hex()] = Node(one.name, span.name, KINDS[span.kind], told, causes - {""})
    return found


def before(nodes: dict[str, Node], span: str) -> Iterator[str]:
    """A span and all that led to it, nearest first."""
    seen, todo = {span}, [span]
    while todo:
        here = todo.pop(0)
        yield here
        for cause in sorted(nodes[here].causes & set(nodes) - seen):
            seen.add(cause)
            todo.append(cause)


def chain(nodes: dict[str, Node], end: str) -> list[str]:
    """The longest way that led to a span of this name, as `service: span`, the first cause first."""
    ends = [span for span, node in nodes.items() if f"{node.service}: {node.name}" == end]
    longest: list[str] = []
    for one in ends:
        way = [f"{nodes[span].service}: {nodes[span].name}" for span in before(nodes, one)]
        longest = way if len(way) > len(longest) else longest
    return list(dict.fromkeys(longest))[::-1]


async def test_a_chain_leads_from_the_request_to_train_to_the_model_in_service(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    with collecting() as collector:
        async with loop_world(surroundings, tmp_path, otlp_endpoint=collector.address) as loop:
            await walk(loop)

            async def all_told() -> bool:
                return "agent-svc: process model.activated" in chain(
                    graph(collector), "training-svc: process agent.routed"
                )

            await until(all_told)
    nodes = graph(collector)
    served = chain(nodes, "training-svc: process agent.routed")
    print("\n".join(f"{'  ' * depth}{step}" for depth, step in enumerate(served)))
    train = "dataset-svc: POST /v1/datasets/{dataset_id}/versions/{version}/train"
    steps = [
        train,
        "training-svc: process dataset.ready",
        "training-svc: activate model",
        "agent-svc: process model.activated",
        "training-svc: process agent.routed",
    ]
    assert [step for step in served if step in steps] == steps, served
    told = chain(nodes, "agent-svc: process training.status")
    print("\n".join(f"{'  ' * depth}{step}" for depth, step in enumerate(told)))
    assert train in told
    assert "training-svc: change run" in told
    listed = chain(nodes, "dataset-svc: process dialog.completed")
    print("\n".join(f"{'  ' * depth}{step}" for depth, step in enumerate(listed)))
    assert "dialog-svc: process chat.events" in listed
    for node in nodes.values():
        if node.kind in {"producer", "consumer"}:
            assert node.attributes["messaging.system"] == "kafka"
            assert node.attributes["messaging.operation.type"] in {"send", "process"}
            assert node.attributes["messaging.destination.name"]
    readers = [node for node in nodes.values() if node.kind == "consumer"]
    assert {node.attributes["messaging.consumer.group.name"] for node in readers} >= {
        f"{surroundings.topic_prefix}dialog-svc.chat.events"
    }
