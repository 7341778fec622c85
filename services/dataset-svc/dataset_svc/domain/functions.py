"""The agent's functions, as far as calls are checked against them. Their schemas come from strangers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from chassis.untrusted import UnsafeSchemaError, check_schema, schema_errors

Schemas = Mapping[str, Mapping[str, Any]]


def is_json_object(text: str) -> bool:
    """Whether the text is a JSON object."""
    return _object(text) is not None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def schemas_of(tools: Iterable[Mapping[str, Any]]) -> Schemas:
    """Return the parameters' schema of each function that has one which is safe to evaluate."""
    found = {}
    for tool in tools:
        function = tool.get("function") or {}
        parameters = function.get("parameters")
        if not isinstance(parameters, dict):
            continue
        try:
            check_schema(parameters)
        except UnsafeSchemaError:
            continue
        found[str(function.get("name"))] = parameters
    return found


def misfits(schema: Mapping[str, Any] | None, arguments: str) -> list[str]:
    """Return the places ("order/id", "" for the whole) in which a JSON object misses its schema."""
    value = _object(arguments)
    if schema is None or value is None:
        return []
    try:
        return [path for path, _ in schema_errors(dict(schema), value)]
    except RecursionError:
        return [""]
