"""The official API description, and the check that an answer is exactly as described."""

import functools
import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DESCRIPTION = Path(__file__).with_name("openai-subset.yaml")
LINES = Path(__file__).with_name("openai-ft-line-schemas.yaml")
_URI = "urn:openai-subset"
_OK = 200


@functools.cache
def description() -> dict[str, Any]:
    """The description, with the one state that it leaves out although its own examples show it."""
    loaded: dict[str, Any] = yaml.load(DESCRIPTION.read_bytes(), Loader=yaml.CSafeLoader)
    loaded["components"]["schemas"]["FineTuningJob"]["properties"]["status"]["enum"].append("paused")
    return loaded


def template_of(path: str) -> str:
    """The described path that a request's path (without /v1) fits; raises KeyError without one."""
    found = [one for one in description()["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
    # /files/{file_id} must not stand in for a literal path.
    return min(found, key=lambda one: one.count("{")) if found else _unknown(path)


def _unknown(path: str) -> str:
    raise KeyError(f"the description has no path {path}")


@functools.cache
def validator(pointer: str) -> Draft202012Validator:
    """A validator of the schema at a JSON pointer of the description."""
    resource = Resource.from_contents(description(), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, resource)
    return Draft202012Validator({"$ref": f"{_URI}#{pointer}"}, registry=registry)


@functools.cache
def line_validator() -> Draft202012Validator:
    """A validator of one line of a supervised training file, by the official schemas of lines."""
    loaded: dict[str, Any] = yaml.load(LINES.read_bytes(), Loader=yaml.CSafeLoader)
    schema = {"$ref": "#/components/schemas/FineTuneChatRequestInput", **loaded}
    return Draft202012Validator(schema)


def _pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def check_answer(method: str, path: str, status: int, media_type: str, body: bytes) -> str:
    """Raise unless an answer of the API is as described; returns the operation, `GET /files/{file_id}`."""
    if status != _OK:
        validator("/components/schemas/ErrorResponse").validate(json.loads(body))
        return f"{method} {path}"
    template = template_of(path)
    content = ("paths", template, method.lower(), "responses", "200", "content")
    if template == "/files/{file_id}/content":
        # Described as a JSON string; the real one sends the bytes themselves.
        validator(_pointer(*content, "application/json", "schema")).validate(body.decode())
    elif media_type == "text/event-stream":
        _check_stream(validator(_pointer(*content, media_type, "schema")), body.decode())
    else:
        validator(_pointer(*content, media_type, "schema")).validate(json.loads(body))
    return f"{method} {template}"


def _check_stream(schema: Draft202012Validator, body: str) -> None:
    events = [event.removeprefix("data: ") for event in body.strip().split("\n\n")]
    if events[-1] != "[DONE]":
        raise ValueError("a stream must end with [DONE]")
    for event in events[:-1]:
        schema.validate(json.loads(event))
