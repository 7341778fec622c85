"""What tenants write and we act on: function schemas and addresses. Both are refused unless harmless."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any, NoReturn
from urllib.parse import urlsplit

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

from chassis.errors import Permanent

MAX_DEPTH = 24
MAX_NODES = 5_000
MAX_ERRORS = 20
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
    compile_schema(schema)


def _check_keywords(value: dict[str, Any], path: str) -> None:
    for keyword in ("$ref", "$dynamicRef"):
        target = value.get(keyword)
        if isinstance(target, str) and target != "#":
            raise UnsafeSchemaError(f"{keyword} may only point to #", f"{path}/{keyword}")


def compile_schema(schema: Any) -> Draft202012Validator:
    """Return a validator that matches patterns in linear time and fetches nothing."""
    try:
        return Draft202012Validator(schema, pattern_options=RegexOptions(), retriever=_fetch_nothing)
    except (ValidationError, ReferencingError) as error:
        path = "".join(f"/{part}" for part in getattr(error, "instance_path", ()))
        raise UnsafeSchemaError("not a JSON Schema whose patterns match in linear time", path) from None


def _fetch_nothing(_: str) -> NoReturn:
    raise LookupError("a function schema refers to nothing outside itself")


def schema_errors(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Return (path, keyword) of each way in which `value` misses `schema`, at most 20; never the value."""
    return misses(compile_schema(schema), value)


def misses(validator: Draft202012Validator, value: Any) -> list[tuple[str, str]]:
    """The same for a schema that was compiled once."""
    found: list[tuple[str, str]] = []
    for error in validator.iter_errors(value):
        found.append(("/".join(map(str, error.instance_path)), str(error.schema_path[-1])))
        if len(found) == MAX_ERRORS:
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
