"""The check of one copy as it is stored: findings, tokens, and what it is compared with others by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from dataset_svc.domain.checks.example import check
from dataset_svc.domain.checks.finding import Finding
from dataset_svc.domain.checks.personal import personal_findings
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.line import fragment, line_messages
from dataset_svc.domain.message import Message, Messages, load
from dataset_svc.domain.near import Sketch, sketch
from dataset_svc.domain.personal.places import Key, allowed_values
from dataset_svc.domain.tokens import EXAMPLE, count_messages, frame_tokens
from dataset_svc.domain.weights import Ratings, weights

EXAMPLE_CONTEXT = 65_536
"""Tokens that the models read of an example (gpt-4o and mini); what follows is cut."""
SHORT_QUESTION = 4
"""A question of fewer words is only the same after the same answer before it."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Copy:
    """What is checked: JSON documents as they are stored; of a saved one a sketch is made too."""

    example_id: UUID
    messages: str
    original: str
    ratings: str
    is_saved: bool = False


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected answer that teaches: its place, and 16 bytes each for what was asked and answered."""

    number: int
    message_id: str
    question: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found; `content_sha256` is of the line with its weights, `sketch` of its words."""

    example_id: UUID
    content_sha256: bytes
    tokens: int
    answered_under: int | None
    findings: tuple[tuple[str, dict[str, Any]], ...]
    corrected: tuple[Corrected, ...]
    sketch: Sketch | None


def check_copies(
    copies: Sequence[Copy], prompt: str, tools: str | None, allowed: Sequence[Sequence[str]] = ()
) -> list[Checked]:
    """Check copies of one agent with these tools (JSON; None: not known yet).

    `allowed` lists values, as (kind, value), that are no personal data here.

    Nothing is read or written, so that it may run in another process.
    """
    functions = None if tools is None else Functions.of_json(tools)
    around = 0 if tools is None else _around(prompt, tools)
    known = allowed_values(prompt, tools, allowed)
    return [_check_copy(one, functions, around, known) for one in copies]


@lru_cache(maxsize=64)
def _around(prompt: str, tools: str) -> int:
    return frame_tokens(prompt, orjson.loads(tools))


def _check_copy(copy: Copy, functions: Functions | None, around: int, known: Set[Key]) -> Checked:
    messages = load(orjson.loads(copy.messages))
    original = messages if copy.original == copy.messages else load(orjson.loads(copy.original))
    found = weights(messages, original, Ratings(orjson.loads(copy.ratings)))
    line = line_messages(messages, found)
    counts = count_messages(line)
    findings = check(messages, found, functions)
    findings += _too_long(line, counts, around)
    findings += personal_findings(messages, known)
    return Checked(
        example_id=copy.example_id,
        content_sha256=hashlib.sha256(fragment(line).encode()).digest(),
        tokens=EXAMPLE + sum(counts),
        answered_under=next((one.agent_version for one in reversed(messages) if one.agent_version), None),
        findings=tuple((one.code, one.stored()) for one in findings),
        corrected=() if messages is original else tuple(_corrected(messages, original, found)),
        sketch=sketch(messages) if copy.is_saved else None,
    )


def _too_long(line: Sequence[Mapping[str, Any]], counts: Sequence[int], around: int) -> Iterable[Finding]:
    total = EXAMPLE + around + sum(counts)
    if total <= EXAMPLE_CONTEXT:
        return
    kept, read = 0, EXAMPLE + around
    while kept < len(counts) and read + counts[kept] <= EXAMPLE_CONTEXT:
        read += counts[kept]
        kept += 1
    facts = {
        "tokens": total,
        "limit": EXAMPLE_CONTEXT,
        "cut_messages": len(line) - kept,
        "cut_answers_that_teach": sum(1 for one in line[kept:] if one.get("weight")),
    }
    yield Finding("example_too_long", facts=facts)


def _corrected(messages: Messages, original: Messages, found: Mapping[str, int]) -> Iterator[Corrected]:
    first = {one.id: one for one in original}
    for number, one in enumerate(messages):
        if not one.is_answer or not found.get(one.id):
            continue
        before = first.get(one.id)
        if before is None or not one.says_the_same(before):
            question = _question(messages[:number])
            if question is not None:
                yield Corrected(number, one.id, _short_hash(question), _short_hash(_said(one)))


def _question(before: Messages) -> list[str] | None:
    """What was asked since the last spoken answer: the client's words, and what functions answered."""
    asked: list[str] = []
    words = 0
    for one in reversed(before):
        if one.is_answer and not one.calls:
            if words < SHORT_QUESTION:
                asked.append(" ".join(_WORD.findall(one.text().casefold())))
            break
        spoken = _WORD.findall(one.text().casefold())
        words += len(spoken) if one.role == "user" else 0
        asked += [one.role, " ".join(spoken), *(f"{call.name} {call.arguments}" for call in one.calls)]
    return asked if words else None


def _said(one: Message) -> list[str]:
    return [" ".join(one.text().split()), *(f"{call.name} {call.arguments}" for call in one.calls)]


def _short_hash(parts: list[str]) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).digest()
