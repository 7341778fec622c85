"""What pages load: files named by a hash of their content, which browsers keep for good."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

FOLDER = Path(__file__).resolve().parent.parent / "static"
FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def manifest() -> dict[str, str]:
    """Return under which name each file lies; raises RuntimeError before they were built."""
    try:
        return dict(json.loads((FOLDER / "manifest.json").read_text()))
    except FileNotFoundError:
        raise RuntimeError("what the pages load is not built yet: ./dev assets") from None


def asset(name: str) -> str:
    """Return the address of a file that pages load."""
    return f"/static/{manifest()[name]}"


class _Hashed(StaticFiles):
    """Files that never change under their name."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one."""
        response = await super().get_response(path, scope)
        if response.status_code in (200, 304) and path != "manifest.json":
            response.headers["Cache-Control"] = FOR_GOOD
        return response


def static_files() -> ASGIApp:
    """Return what serves them, compressed. Pages are not: they hold a token beside what others wrote."""
    manifest()
    app = Starlette()
    app.mount("/", _Hashed(directory=FOLDER))
    app.add_middleware(GZipMiddleware, minimum_size=500)
    return app
