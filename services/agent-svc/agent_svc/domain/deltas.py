"""The pieces of an answer as they come, cut out of a provider's stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson


class Deltas:
    """Turns bytes, cut anywhere, into what they add to the answer: {content?, tool_calls?}."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Yield what the bytes add; lines that are no part of an answer add nothing."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield from _added(line[5:])


def _added(data: bytes) -> Iterator[dict[str, Any]]:
    try:
        choices = orjson.loads(data).get("choices") or ()
        deltas = [one.get("delta") or {} for one in choices if one.get("index", 0) == 0]
    except (ValueError, AttributeError):
        return  # the end mark
    for delta in deltas:
        kept = {name: delta[name] for name in ("content", "tool_calls") if delta.get(name)}
        if kept:
            yield kept
