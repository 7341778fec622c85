"""What tenants write and we act on: function schemas and addresses. Both are refused unless harmless."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import re2
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError
from referencing import Registry

from chassis.errors import Permanent

MAX_DEPTH = 24
MAX_NODES = 5_000
TEMPLATE_VALUE = re.compile(r"^[a-z0-9-]{2,64}$")


class UnsafeSchemaError(Permanent):
    """A function schema that is not valid or not safe to evaluate; `path` says where."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.path = path


class UnsafeAddressError(Permanent):
    """A provider address that must not be called."""


def check_schema(schema: Any) -> None:
    """Refuse a JSON Schema that is invalid, too deep or large, or refers to anything outside itself."""
    nodes = 0
    stack: list[tuple[Any, int, str]] = [(schema, 0, "")]
    while stack:
        value, depth, path = stack.pop()
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise UnsafeSchemaError("the schema is too deep or too large", path)
        if isinstance(value, dict):
            _check_keywords(value, path)
            stack += [(item, depth + 1, f"{path}/{name}") for name, item in value.items()]
        elif isinstance(value, list):
            stack += [(item, depth + 1, f"{path}/{number}") for number, item in enumerate(value)]
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UnsafeSchemaError("not a JSON Schema", "/".join(map(str, error.path))) from None


def _check_keywords(value: dict[str, Any], path: str) -> None:
    for keyword in ("$ref", "$dynamicRef"):
        target = value.get(keyword)
        if isinstance(target, str) and target != "#":
            raise UnsafeSchemaError(f"{keyword} may only point to #", f"{path}/{keyword}")
    pattern = value.get("pattern")
    if isinstance(pattern, str):
        _compile(pattern, f"{path}/pattern")
    patterns = value.get("patternProperties")
    for name in patterns if isinstance(patterns, dict) else ():
        _compile(name, f"{path}/patternProperties")


def _compile(pattern: str, path: str) -> Any:
    try:
        return re2.compile(pattern)
    except re2.error:
        raise UnsafeSchemaError("the pattern is not one that can be matched in linear time", path) from None


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Any:
    if isinstance(instance, str) and not _compile(pattern, "").search(instance):
        from jsonschema import ValidationError

        yield ValidationError("does not match the pattern")


_Validator: Any = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def schema_errors(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Return (path, keyword) of each way in which `value` misses `schema`, at most 20; never the value."""
    validator = _Validator(schema, registry=Registry())
    found = []
    for error in validator.iter_errors(value):
        found.append(("/".join(map(str, error.absolute_path)), str(error.validator or "pattern")))
        if len(found) == 20:  # noqa: PLR2004
            break
    return found


def fill_template(url: str, variables: dict[str, str]) -> str:
    """Fill an operator's URL template with a tenant's values, each matching `[a-z0-9-]{2,64}`."""
    for name, value in variables.items():
        if not TEMPLATE_VALUE.match(value):
            raise UnsafeAddressError(f"{name} must match [a-z0-9-]{{2,64}}")
    return url.format_map(variables)


def check_address(url: str, *, allow_private: bool = False) -> str:
    """Return `url` if it may be called: https to a global address, unless the catalogue allows more.

    Resolves the name (blocking); raises UnsafeAddressError.
    """
    parts = urlsplit(url)
    if parts.username or parts.password or not parts.hostname:
        raise UnsafeAddressError("the address must be a plain https URL")
    if allow_private and parts.scheme in {"http", "https"}:
        return url
    if parts.scheme != "https":
        raise UnsafeAddressError("the address must use https")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        raise UnsafeAddressError("the name of the address is not known") from None
    for *_, place in found:
        if not ipaddress.ip_address(place[0]).is_global:
            raise UnsafeAddressError("the address is not a public one")
    return url
