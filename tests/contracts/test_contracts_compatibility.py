"""Only additive changes within a version: the check itself, and the check of every released schema."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from contracts.compatibility import breaking_changes
from contracts.generate import ROOT, schema
from contracts.registry import EVENTS

RELEASED = sorted((ROOT / "released").glob("v*/*.json"))

OLD: dict[str, Any] = {
    "type": "object",
    "required": ["id", "role"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[a-z]*$"},
        "role": {"type": "string", "enum": ["user", "assistant"]},
        "size": {"type": "integer", "minimum": 0, "maximum": 10},
        "at": {"type": "string", "format": "date-time"},
        "kind": {"type": "string", "const": "a"},
        "free": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
        "body": {"anyOf": [{"$ref": "#/$defs/Inline"}, {"$ref": "#/$defs/Stored"}]},
        "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
        "open": {"type": "object", "additionalProperties": True},
        "tree": {"$ref": "#/$defs/Tree"},
    },
    "$defs": {
        "Inline": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "Stored": {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]},
        "Tree": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 9},
                "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
            },
        },
    },
}
Change = Callable[[dict[str, Any]], object]


def _field(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda s: s["properties"][name]


def _set(name: str, **keywords: object) -> Change:
    return lambda s: _field(name)(s).update(keywords)


def _drop(name: str, keyword: str) -> Change:
    return lambda s: _field(name)(s).pop(keyword)


def _definition(name: str, field: str, **keywords: object) -> Change:
    return lambda s: s["$defs"][name]["properties"].update({field: keywords})


BREAKING: dict[str, tuple[Change, str]] = {
    "a field removed": (lambda s: s["properties"].pop("free"), "$.free: removed"),
    "a field renamed": (
        lambda s: s["properties"].update(gratis=s["properties"].pop("free")),
        "$.free: removed",
    ),
    "a new required field": (
        lambda s: (s["properties"].update(new={"type": "string"}), s["required"].append("new")),
        "$.new: became required",
    ),
    "an optional field made required": (lambda s: s["required"].append("free"), "$.free: became required"),
    "a required field made optional": (lambda s: s["required"].remove("id"), "$.id: no longer required"),
    "another type": (_set("free", type="integer"), "$.free: type changed from string to integer"),
    "a list of types": (
        _set("free", type=["string", "null"]),
        "$.free: type changed from string to ['string', 'null']",
    ),
    "an enum value removed": (_set("role", enum=["user"]), "$.role: value 'assistant' removed"),
    "an enum made free": (_drop("role", "enum"), "$.role: no longer an enum"),
    "free text made an enum": (_set("free", enum=["a"]), "$.free: became an enum"),
    "another constant": (_set("kind", const="b"), "$.kind: value 'a' removed"),
    "a longer least length": (_set("id", minLength=2), "$.id: minLength raised to 2"),
    "a shorter greatest length": (_set("id", maxLength=64), "$.id: maxLength lowered to 64"),
    "a new greatest length": (_set("free", maxLength=64), "$.free: maxLength lowered to 64"),
    "a higher minimum": (_set("size", minimum=1), "$.size: minimum raised to 1"),
    "a lower maximum": (_set("size", maximum=9), "$.size: maximum lowered to 9"),
    "a new exclusive minimum": (_set("size", exclusiveMinimum=0), "$.size: exclusiveMinimum raised to 0"),
    "fewer items": (_set("tags", maxItems=4), "$.tags: maxItems lowered to 4"),
    "a new pattern": (_set("free", pattern="^a"), "$.free: pattern changed"),
    "another pattern": (_set("id", pattern="^[a-y]*$"), "$.id: pattern changed"),
    "another format": (_set("at", format="date"), "$.at: format changed"),
    "another default": (_set("note", default=""), "$.note: default changed"),
    "null no longer allowed": (
        lambda s: _field("note")(s)["anyOf"].pop(),
        "$.note: an alternative was removed",
    ),
    "null newly allowed": (
        lambda s: s["properties"].update(free={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "$.free: an alternative was added, old readers don't know it",
    ),
    "a union's member removed": (
        lambda s: _field("body")(s)["anyOf"].pop(0),
        "$.body.text: removed",
    ),
    "narrower inside a union": (
        _definition("Stored", "uri", type="string", maxLength=9),
        "$.body.uri: maxLength lowered to 9",
    ),
    "narrower items": (
        lambda s: _field("tags")(s)["items"].update(maxLength=9),
        "$.tags[]: maxLength lowered to 9",
    ),
    "items newly restricted": (
        lambda s: _field("open")(s).update(additionalProperties={"type": "string"}),
        "$.open{}: narrowed",
    ),
    "unknown fields forbidden": (lambda s: s.update(additionalProperties=False), "${}: narrowed"),
    "a map's values of another type": (
        lambda s: _field("extra")(s).update(additionalProperties={"type": "string"}),
        "$.extra{}: type changed from integer to string",
    ),
    "a map's keys newly restricted": (
        _set("extra", propertyNames={"maxLength": 3}),
        "$.extra{name}: narrowed",
    ),
    "narrower in a recursive schema": (
        _definition("Tree", "name", type="string", maxLength=8),
        "$.tree.name: maxLength lowered to 8",
    ),
    "a keyword nobody thought of": (_set("size", multipleOf=5), "$.size: multipleOf changed"),
}

ADDITIVE: dict[str, Change] = {
    "nothing": lambda _: None,
    "a new optional field": lambda s: s["properties"].update(new={"type": "string", "default": "x"}),
    "a new optional field deep inside": _definition("Tree", "weight", type="integer"),
    "a further enum value": _set("role", enum=["tool", "assistant", "user"]),
    "a constant made an enum with it": lambda s: (
        _field("kind")(s).pop("const"),
        _field("kind")(s).update(enum=["a", "b"]),
    ),
    "wider limits": lambda s: (
        _set("id", minLength=0, maxLength=256)(s),
        _set("size", minimum=-1, maximum=11)(s),
        _set("tags", maxItems=6)(s),
    ),
    "a limit dropped": _drop("id", "maxLength"),
    "a pattern dropped": _drop("id", "pattern"),
    "other words": lambda s: (s.update(title="T", description="D"), _set("id", description="d")(s)),
    "a union written in another order": lambda s: _field("body")(s)["anyOf"].reverse(),
    "a definition moved in line": lambda s: s["properties"].update(
        body={
            "anyOf": [
                s["$defs"]["Inline"],
                s["$defs"]["Stored"],
            ]
        }
    ),
}


def _changed(change: Change) -> dict[str, Any]:
    new = deepcopy(OLD)
    change(new)
    return new


@pytest.mark.parametrize("case", BREAKING)
def test_a_breaking_change_is_named(case: str) -> None:
    change, problem = BREAKING[case]
    assert problem in breaking_changes(OLD, _changed(change))


@pytest.mark.parametrize("case", ADDITIVE)
def test_an_additive_change_passes(case: str) -> None:
    assert breaking_changes(OLD, _changed(ADDITIVE[case])) == []


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_current_schema_only_adds_to_a_released_one(path: Path) -> None:
    assert path.stem in EVENTS, "an event of a released version is gone"
    assert breaking_changes(json.loads(path.read_text()), schema(EVENTS[path.stem])) == []


def test_every_field_of_every_released_event_is_held() -> None:
    """Take each field out of each released schema in turn, nested ones too: each is missed."""
    assert RELEASED
    for path in RELEASED:
        released = json.loads(path.read_text())
        places = [(), *(("$defs", name) for name in released.get("$defs", {}))]
        for place in places:
            for name in _at(released, place)["properties"]:
                current = deepcopy(released)
                del _at(current, place)["properties"][name]
                found = breaking_changes(released, current)
                assert any(problem.endswith(f".{name}: removed") for problem in found), (
                    path.name,
                    place,
                    name,
                )


def _at(schema: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    for step in place:
        schema = schema[step]
    return schema
