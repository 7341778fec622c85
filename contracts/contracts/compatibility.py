"""What a newer JSON Schema of the same event breaks for those who write or read by the older one.

Allowed: a new optional field, a further value of an enum, a wider limit. Everything else is named.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from contracts.event import JsonObject

NOTES = {"$schema", "$id", "$defs", "title", "description", "examples"}
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
HANDLED = {
    "$ref", "anyOf", "type", "enum", "const", "properties", "required", "items", "additionalProperties",
    "propertyNames", "pattern", *LOWER, *UPPER,
}  # fmt: skip


def breaking_changes(old: JsonObject, new: JsonObject) -> list[str]:
    """One line for each breaking change, `path: what`; empty when the change is additive."""
    return list(_Comparison(old, new).schemas("$", old, new))


@dataclass(slots=True)
class _Comparison:
    old_root: JsonObject
    new_root: JsonObject
    open: set[tuple[int, int]] = field(default_factory=set)
    """Pairs of schemas being compared: a recursive schema comes by here again."""

    def schemas(self, path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        yield from _other_keywords(path, _beside_choice(old), _beside_choice(new))
        yield from self._alternatives(path, _options(old, self.old_root), _options(new, self.new_root))

    def _alternatives(self, path: str, old: list[JsonObject], new: list[JsonObject]) -> Iterator[str]:
        left = list(new)
        for option in old:
            if not left:
                yield f"{path}: an alternative was removed"
                continue
            problems, best = min(
                ((list(self._plain(path, option, other)), at) for at, other in enumerate(left)),
                key=lambda found: len(found[0]),
            )
            left.pop(best)
            yield from problems
        yield from (f"{path}: an alternative was added, old readers don't know it" for _ in left)

    def _plain(self, path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        pair = (id(old), id(new))
        if pair in self.open:
            return
        self.open.add(pair)
        yield from self._same_kind(path, old, new)
        self.open.discard(pair)

    def _same_kind(self, path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        if old.get("type") != new.get("type"):
            yield f"{path}: type changed from {old.get('type')} to {new.get('type')}"
            return
        yield from _values(path, old, new)
        yield from _limits(path, old, new)
        yield from _other_keywords(path, old, new)
        yield from self._fields(path, old, new)
        yield from self._nested(path, old, new)

    def _fields(self, path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must_before, must_after = set(old.get("required", ())), set(new.get("required", ()))
        yield from (f"{path}.{name}: removed" for name in before if name not in after)
        yield from (f"{path}.{name}: became required" for name in sorted(must_after - must_before))
        gone = (must_before - must_after) & after.keys()
        yield from (f"{path}.{name}: no longer required" for name in sorted(gone))
        for name in before:
            if name in after:
                yield from self.schemas(f"{path}.{name}", before[name], after[name])

    def _nested(self, path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        for keyword, mark in (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{name}")):
            before, after = (_as_schema(side.get(keyword, True)) for side in (old, new))
            if before == {} and after != {}:
                yield f"{path}{mark}: narrowed"
            elif after is None and before is not None:
                yield f"{path}{mark}: forbidden"
            elif before and after:
                yield from self.schemas(path + mark, before, after)


def _options(schema: JsonObject, root: JsonObject) -> list[JsonObject]:
    """The schema's alternatives with references followed, one when there is no choice."""
    if "$ref" in schema:
        return _options(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if "anyOf" in schema:
        return [option for part in schema["anyOf"] for option in _options(part, root)]
    return [schema]


def _beside_choice(schema: JsonObject) -> JsonObject:
    """What stands beside a reference or a choice, a default for one; a plain schema is its own option."""
    return schema if "$ref" in schema or "anyOf" in schema else {}


def _as_schema(value: object) -> JsonObject | None:
    """A schema or JSON Schema's true and false as one: {} allows everything, None nothing."""
    if isinstance(value, bool):
        return {} if value else None
    return cast("JsonObject", value)


def _values(path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
    before, after = _allowed(old), _allowed(new)
    if after is None:
        if before is not None:
            yield f"{path}: no longer an enum"
    elif before is None:
        yield f"{path}: became an enum"
    else:
        yield from (f"{path}: value {value!r} removed" for value in before if value not in after)


def _allowed(schema: JsonObject) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return cast("list[Any] | None", schema.get("enum"))


def _limits(path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
    def narrowed(keyword: str, tighter: Callable[[Any, Any], bool]) -> bool:
        return keyword in new and (keyword not in old or tighter(new[keyword], old[keyword]))

    for keyword in LOWER:
        if narrowed(keyword, lambda now, was: bool(now > was)):
            yield f"{path}: {keyword} raised to {new[keyword]}"
    for keyword in UPPER:
        if narrowed(keyword, lambda now, was: bool(now < was)):
            yield f"{path}: {keyword} lowered to {new[keyword]}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{path}: pattern changed"


def _other_keywords(path: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
    """Whatever this module knows nothing of must stay as it is: formats, defaults, keywords to come."""
    for keyword in sorted((old.keys() | new.keys()) - HANDLED - NOTES):
        if old.get(keyword) != new.get(keyword) or (keyword in old) != (keyword in new):
            yield f"{path}: {keyword} changed"
