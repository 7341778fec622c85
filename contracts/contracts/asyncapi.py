"""The AsyncAPI 3 document of a service: what it sends and receives, told from the models and topics."""

import json
from pathlib import Path

from pydantic.json_schema import models_json_schema

from contracts.event import JsonObject
from contracts.registry import EVENTS
from contracts.topics import TOPICS, Topic, dead_letter_topic

SERVICES = ("dialog-svc", "dataset-svc", "training-svc", "agent-svc")
BINDING_VERSION = "0.5.0"


def document(service: str, release: str, examples: Path) -> JsonObject:
    """The document of one service; `examples` is the folder of the release's golden messages."""
    topics = [topic for topic in TOPICS.values() if sends(service, topic) or receives(service, topic)]
    types = [event for topic in topics for event in topic.events]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{service} events",
            "version": release,
            "description": "CloudEvents in binary mode over Kafka; an installation may prefix every topic.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(service, topic) for topic in topics},
        "operations": _operations(service, topics),
        "components": {
            "messages": {event: _message(event, examples) for event in types},
            "schemas": _schemas(types),
        },
    }


def sends(service: str, topic: Topic) -> bool:
    """Whether the service writes to the topic."""
    return service in topic.producers


def receives(service: str, topic: Topic) -> bool:
    """Whether the service reads the topic, in a group or as a broadcast reader."""
    return service in topic.consumers or service in topic.readers


def _channel(service: str, topic: Topic) -> JsonObject:
    channel: JsonObject = {
        "address": topic.name,
        "title": topic.name,
        "description": f"Keyed by tenant and {topic.key}; owned by {topic.owner}.",
        "messages": {event: {"$ref": f"#/components/messages/{event}"} for event in topic.events},
        "bindings": {"kafka": _topic_binding(topic)},
        "x-producers": list(topic.producers),
        "x-consumers": list(topic.consumers),
        "x-readers": list(topic.readers),
        "x-topic-config": topic.config(),
    }
    if service in topic.consumers:
        channel["x-dead-letters"] = dead_letter_topic(topic.name, service)
    return channel


def _topic_binding(topic: Topic) -> JsonObject:
    """The part of the topic's settings that the Kafka binding has words for."""
    config: JsonObject = {"cleanup.policy": [topic.cleanup], "max.message.bytes": topic.max_message_bytes}
    if not topic.compacted:
        config["retention.ms"] = topic.retention_ms
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": config,
        "bindingVersion": BINDING_VERSION,
    }


def _operations(service: str, topics: list[Topic]) -> JsonObject:
    operations: JsonObject = {}
    for topic in topics:
        if sends(service, topic):
            operations[f"send-{topic.name}"] = _operation("send", topic)
        if receives(service, topic):
            operations[f"receive-{topic.name}"] = _operation("receive", topic)
        if service in topic.consumers:
            group = {"type": "string", "enum": [service]}
            binding = {"groupId": group, "bindingVersion": BINDING_VERSION}
            operations[f"receive-{topic.name}"]["bindings"] = {"kafka": binding}
    return operations


def _operation(action: str, topic: Topic) -> JsonObject:
    channel = f"#/channels/{topic.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event}"} for event in topic.events],
    }


def _message(event: str, examples: Path) -> JsonObject:
    cls = EVENTS[event]
    example = json.loads((examples / event / "smallest.json").read_text())
    return {
        "name": event,
        "title": cls.__name__,
        "summary": (cls.__doc__ or "").strip(),
        "contentType": "application/json",
        "headers": headers_schema(event),
        "payload": {"$ref": f"#/components/schemas/{cls.__name__}"},
        "bindings": {"kafka": {"key": _key_schema(cls.KEY), "bindingVersion": BINDING_VERSION}},
        "examples": [{"name": "smallest", "headers": example["headers"], "payload": example["body"]}],
    }


def _key_schema(field: str) -> JsonObject:
    return {"type": "string", "description": f"percent-encoded tenant, a slash, percent-encoded {field}"}


def headers_schema(event: str) -> JsonObject:
    """The CloudEvents attributes as Kafka headers."""
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "required": ["ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "ce_tenantid"],
        "properties": {
            "ce_id": text | {"description": "unique within the source and tenant"},
            "ce_type": {"type": "string", "const": event},
            "ce_source": text,
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_subject": text | {"description": "the id that, with the tenant, forms the key"},
            "ce_tenantid": text | {"maxLength": 128},
            "ce_sequence": {
                "type": "string",
                "pattern": "^[0-9]+$",
                "description": "rises by one for each topic and key",
            },
            "traceparent": text,
            "content-type": {"type": "string", "const": "application/json"},
        },
    }


def _schemas(types: list[str]) -> JsonObject:
    """The payloads' schemas with everything that they refer to, by class name."""
    _, schema = models_json_schema(
        [(EVENTS[event], "validation") for event in types], ref_template="#/components/schemas/{model}"
    )
    return dict(sorted(schema["$defs"].items()))
