"""Lets the simulator pose: a request under a pose's path goes on as one under /v1, with its pose noted."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.simulator.poses import POSES, Pose

NOTED = "mortarboard.pose"
_PATHS: Mapping[str, re.Pattern[str]] = {
    name: re.compile("^" + re.sub(r"\\\{[a-z]+\\\}", "[a-z0-9-]{2,64}", re.escape(pose.path)) + "(?=/)")
    for name, pose in POSES.items()
    if pose.path != "/v1"
}


def pose_of(request: Request) -> Pose:
    """Return whom a request speaks to."""
    found = request.scope.get(NOTED)
    return found if isinstance(found, Pose) else Pose()


class PoseMiddleware:
    """Recognises a pose's path, wants its query, and takes the key from its header."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            for name, pattern in _PATHS.items():
                if match := pattern.match(scope["path"]):
                    await self._posed(POSES[name], scope, match.end(), receive, send)
                    return
        await self.app(scope, receive, send)

    async def _posed(self, pose: Pose, scope: Scope, end: int, receive: Receive, send: Send) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        if not set(pose.query) <= set(query):
            answer = JSONResponse({"error": {"code": "404", "message": "Resource not found"}}, 404)
            await answer(scope, receive, send)
            return
        path = "/v1" + scope["path"][end:]
        headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        key = next((value for name, value in scope["headers"] if name == pose.key_header.encode()), b"")
        if pose.key_header == "authorization":
            headers.append((b"authorization", key))
        elif key:
            headers.append((b"authorization", b"Bearer " + key))
        await self.app(
            {**scope, "path": path, "raw_path": path.encode(), "headers": headers, NOTED: pose},
            receive,
            send,
        )
