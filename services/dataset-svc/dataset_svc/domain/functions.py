"""The agent's functions, as far as calls are held against them. Their schemas come from strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator

from chassis.untrusted import MAX_NODES, UnsafeSchemaError, check_schema, compile_schema, misses

LIKENESS = 0.5
MAX_WORK = 2_000_000
"""Largest schema (nodes) times arguments (characters) that is evaluated: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Functions:
    """Functions by name: the validator of the arguments, None when it may not be evaluated, and its nodes."""

    of: Mapping[str, tuple[Draft202012Validator | None, int]] = field(default_factory=dict)

    @staticmethod
    def of_tools(tools: Sequence[Mapping[str, Any]]) -> Functions:
        """Return the functions of an agent's tools."""
        return _parsed(orjson.dumps(tools).decode())

    @staticmethod
    def of_json(tools: str) -> Functions:
        """Return the functions of an agent's tools in JSON; the last few agents are remembered."""
        return _parsed(tools)

    def closest(self, name: str) -> str | None:
        """Return the function whose name is most like this one."""
        return next(iter(get_close_matches(name, self.of, 1, LIKENESS)), None)

    def misses(self, name: str, arguments: str) -> list[tuple[str, str]]:
        """Return (place, rule) of each way in which a JSON object misses the function's parameters.

        A place is like "order/id", "" for the whole. Nothing is said of a function that is not known, or of
        arguments that are no object.
        """
        validator, nodes = self.of.get(name, (None, 0))
        value = json_object(arguments)
        if validator is None or value is None or nodes * len(arguments) > MAX_WORK:
            return []
        return [] if validator.is_valid(value) else misses(validator, value)


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that the text is, None when it is not one."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


@lru_cache(maxsize=64)
def _parsed(tools: str) -> Functions:
    functions = [tool.get("function") or {} for tool in orjson.loads(tools)]
    return Functions({str(one.get("name")): _usable(one.get("parameters")) for one in functions})


def _usable(schema: Any) -> tuple[Draft202012Validator | None, int]:
    """A schema that refers to itself is not evaluated: nothing bounds the work of that."""
    nodes, stack = 0, [schema]
    while stack and nodes <= MAX_NODES:
        value = stack.pop()
        nodes += 1
        if isinstance(value, dict):
            if "$ref" in value or "$dynamicRef" in value:
                return None, 0
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    if not isinstance(schema, dict):
        return None, 0
    try:
        check_schema(schema)
        return compile_schema(schema), nodes
    except UnsafeSchemaError:
        return None, 0
