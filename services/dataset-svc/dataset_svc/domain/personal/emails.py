"""E-mail addresses, also those that people write in words to get past a filter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dataset_svc.domain.personal.found import Found

_LOCAL = r"[^\W_](?:[\w.+'%-]{0,62}[\w+])?"
_PLAIN = re.compile(
    rf"(?<![\w.+%/-]){_LOCAL}@(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.){{1,5}}[^\W\d_](?:[\w-]{{0,61}}\w)"
)
_AT = r"\s?(?:[(\[{]\s?(?:at|@|собака)\s?[)\]}]|(?<=\s)(?:at|собака)(?=\s)|(?<=\s)@(?=\s))\s?"
_DOT = r"\s?(?:[(\[{]\s?(?:dot|точка|\.)\s?[)\]}]|(?<=\s)(?:dot|точка)(?=\s)|\.)\s?"
_SPOKEN = re.compile(
    rf"(?<![\w.+-])[^\W_][\w+-]{{0,40}}(?:{_DOT}[\w+-]{{1,40}}){{0,2}}{_AT}"
    rf"[^\W_][\w-]{{0,40}}(?:{_DOT}[^\W\d_][\w-]{{1,20}}){{1,3}}(?![\w@])",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"[(\[{}\])\s]+")
_OURS = re.compile(r"email-\d+@example\.com\Z")
"""What a pseudonym looks like where a field wants an address."""
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "pdf", "css", "js"})
"""photo@2x.png is no address."""


def may_address(text: str) -> bool:
    """Whether the text is worth a closer look."""
    return (
        "@" in text or "собака" in text or " dot " in text
        or "(at" in text or "[at" in text or "{at" in text or "( at" in text or "[ at" in text
    )  # fmt: skip


def find_emails(text: str) -> Iterator[Found]:
    """Yield the addresses in a text."""
    if not may_address(text):
        return
    for match in _PLAIN.finditer(text):
        yield from _address(match.start(), match.end(), match[0])
    for match in _SPOKEN.finditer(text):
        spoken = _said(match[0])
        if spoken.count("@") == 1:
            yield from _address(match.start(), match.end(), spoken)


def _address(start: int, end: int, address: str) -> Iterator[Found]:
    value = address.lower()
    if value.rpartition(".")[2] not in _FILES and not _OURS.match(value):
        yield Found(start, end, "email", value)


def _said(spoken: str) -> str:
    words = _BRACKETS.sub(" ", spoken.lower())
    words = re.sub(r"\s?\b(?:собака|at)\b\s?|\s?@\s?", "@", words)
    return re.sub(r"\s?\b(?:точка|dot)\b\s?|\s?\.\s?", ".", words).replace(" ", "")
