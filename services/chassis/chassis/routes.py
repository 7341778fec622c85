"""Paths whose identifiers may hold a slash: what others mint is opaque, and comes as one step, `a%2Fb`."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, StringConvertor, register_url_convertor
from starlette.routing import Match

_SLASH = re.compile(rb"%2f", re.IGNORECASE)
_HELD = "\x00"
"""Stands for such a slash while a path is matched; U+0000 itself is refused in every path."""


class _Opaque(StringConvertor):
    def convert(self, value: str) -> str:
        return value.replace(_HELD, "/")


class _OpaquePath(PathConvertor):
    def convert(self, value: str) -> str:
        return value.replace(_HELD, "/")


register_url_convertor("str", _Opaque())
register_url_convertor("path", _OpaquePath())


class OpaqueRoute(APIRoute):
    """An endpoint whose path is matched before `%2F` becomes a slash; what it is given has the slash."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        """Tell whether the path is this endpoint's, and its identifiers."""
        raw: bytes = scope.get("raw_path") or b""
        if _SLASH.search(raw):
            scope = {**scope, "path": unquote(_SLASH.sub(b"%00", raw).decode("ascii"))}
        return super().matches(scope)


def api_router() -> APIRouter:
    """Return a router for endpoints of a service."""
    return APIRouter(route_class=OpaqueRoute)
