"""Read a stretch of an import's file: whole lines, with flat memory, one that is too long skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.errors import Problem, Text
from chassis.objects import ObjectStore

LINES, WINDOW, MAX_LINE = 500, 1024 * 1024, 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole lines of the file with their numbers, and where the next one begins; None: too long a line."""

    lines: Sequence[tuple[int, bytes | None]]
    line: int
    offset: int


async def read_stretch(
    objects: ObjectStore, tenant: str, arguments: Mapping[str, Any], line: int, offset: int
) -> Stretch:
    """Return the next lines of the file, at most 500 and about 1 MiB."""
    uri, size = arguments["uri"], arguments["bytes"]
    window = b""
    while b"\n" not in window and offset + len(window) < size and len(window) < MAX_LINE:
        length = min(WINDOW, size - offset - len(window))
        window += await objects.read_range(uri, tenant, offset + len(window), length)
    at_end = offset + len(window) >= size
    if b"\n" not in window and not at_end:
        return Stretch([(line + 1, None)], line + 1, await _next_line(objects, tenant, uri, size, offset))
    parts = window.split(b"\n", LINES)
    rest = parts.pop()
    if at_end and len(parts) < LINES and rest:
        parts, rest = [*parts, rest], b""
    numbered = [(line + n, raw) for n, raw in enumerate(parts, 1)]
    return Stretch(numbered, line + len(parts), offset + len(window) - len(rest))


async def _next_line(objects: ObjectStore, tenant: str, uri: str, size: int, offset: int) -> int:
    """Return where the line after one that is too long begins."""
    while offset < size:
        window = await objects.read_range(uri, tenant, offset, min(WINDOW, size - offset))
        if (at := window.find(b"\n")) >= 0:
            return offset + at + 1
        offset += len(window)
    return size


def line_too_long() -> Problem:
    """Return the refusal of a line that no example could be."""
    return Problem(
        422, "line_too_long",
        Text(f"The line has more than {MAX_LINE} bytes.", f"В строке больше {MAX_LINE} байт."),
    )  # fmt: skip
