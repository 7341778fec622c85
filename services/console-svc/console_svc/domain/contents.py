"""A message's content as texts that can be typed into, and the content again out of what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def texts_of(content: Any) -> list[str]:
    """Return the texts of a content: itself, or its parts that are text; an empty one if it has none."""
    if isinstance(content, list):
        return [str(part["text"]) for part in content if isinstance(part.get("text"), str)]
    return [content or ""]


def kinds_of(content: Any) -> list[str]:
    """Return of which kind the parts are that are no text."""
    parts = content if isinstance(content, list) else ()
    return [str(part.get("type", "?")) for part in parts if not isinstance(part.get("text"), str)]


def with_texts(content: Any, typed: Sequence[str], *, may_be_empty: bool) -> Any:
    """Return the content with what was typed in place of its texts.

    `may_be_empty`: whether nothing typed means none, as for an answer that only calls functions.
    """
    if isinstance(content, list):
        left = iter(typed)
        return [
            {**part, "text": next(left, part["text"])} if isinstance(part.get("text"), str) else part
            for part in content
        ]
    text = typed[0] if typed else ""
    return None if may_be_empty and not text else text


def plain(text: str) -> str:
    """Return a text with the ends of lines that browsers show and send back in forms."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
