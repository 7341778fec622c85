"""Whether a function failed, by the shape of what it answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from dataset_svc.domain.message import Message, Messages

LARGEST = 64 * 1024
"""Characters of an answer that are parsed; longer ones are data, not errors."""
START = 200
"""Characters in which a text says that it is an error; what is longer is not empty."""
LONGEST = 2_000
"""Characters of an answer of the model that are searched for an apology."""
BAD = range(400, 600)
"""HTTP's statuses of errors."""
_ERROR_KEYS = ("error", "errors", "exception", "traceback", "error_message", "errorMessage", "error_code")
_STATUS_KEYS = ("status", "status_code", "statusCode", "http_status", "httpStatus")
_FLAG_KEYS = ("success", "succeeded", "ok")
_WRAPPERS = ("result", "response", "data", "output")
_FAILED_WORDS = frozenset({"error", "failed", "failure", "fail", "timeout", "exception"})
_BAD_TEXT = frozenset(map(str, BAD))
_NO_ERROR = frozenset({"", "none", "null", "no", "false", "0", "ok", "success"})
_TEXT = re.compile(
    r"""\W{0,3}(?:
        (?:internal\ (?:server\ )?|fatal\ |unhandled\ |runtime\ )?(?:error|exception)\b
        (?!\s*[-_]?(?:free|codes?\b))
        | traceback\ \(most
        | http(?:/[\d.]+)?\ ?(?:error\ )?[45]\d\d\b
        | [45]\d\d\ (?:bad|unauthori[sz]ed|forbidden|not\ found|internal|service|gateway|too\ many|request)
        | (?:request\ |connection\ |read\ )?(?:timed\ out|timeout)\b
        | connection\ (?:refused|reset|error|failed)
        | ошибка\b | исключение\b | превышено\ время | сервис\ недоступен
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_CLASS = re.compile(r"\b[A-Z]\w{2,60}(?:Error|Exception):")
_APOLOGY = re.compile(
    r"""\b(?:sorry|apologi[sz]e|apologies|unfortunately|regret)\b
    | \b(?:could\ ?n[o']t|can\ ?not|can't|unable\ to|was\ not\ able|failed\ to)\b
    | \bun(?:successful|available)\b | \bnot\ (?:possible|available|successful)\b
    | \bdid\ ?n[o']t\ (?:work|go\ through|succeed)
    | к\ сожалению | \bизвин\w* | \bпростите\b | \bне\ (?:удалось|получилось|смог\w*|могу\ найти)
    | \bничего\ не\ наш\w+ | \bприношу\ извинения""",
    re.VERBOSE | re.IGNORECASE,
)


def failed_answers(messages: Messages) -> tuple[str, ...]:
    """Return the ids of functions' answers that say that the function failed."""
    return tuple(
        one.id
        for place, one in enumerate(messages)
        if one.role == "tool"
        and (says_error(one.text()) or (says_nothing(one.text()) and _apologises(messages[place + 1 :])))
    )


def says_error(text: str) -> bool:
    """Whether a function's answer is an error: a JSON object of that shape, or such words to begin with."""
    start = text[:START]
    if start.lstrip()[:1] in {"{", "["}:
        found = _parsed(text)
        return any(map(_is_error, _objects(found)))
    return bool(_TEXT.match(start) or _CLASS.search(start))


def says_nothing(text: str) -> bool:
    """Whether a function's answer is empty: nothing, an empty list or object, or one that wraps such."""
    if not text.strip():
        return True
    if len(text) > START:
        return False
    found = _parsed(text)
    if isinstance(found, dict) and len(found) == 1:
        (found,) = found.values()
    return found in ([], {}, None, "")


def _parsed(text: str) -> Any:
    """Return the JSON document, the text itself where it is none."""
    if len(text) > LARGEST:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _objects(found: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that may tell how it went: the answer, what it wraps, the only one of a list."""
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        return
    yield found
    for name in _WRAPPERS:
        if isinstance(inner := found.get(name), dict):
            yield inner


def _is_error(found: Mapping[str, Any]) -> bool:
    if any(_is_told(found.get(name)) for name in _ERROR_KEYS):
        return True
    if any(_is_bad_status(found.get(name)) for name in _STATUS_KEYS):
        return True
    return any(_is_no(found[name]) for name in _FLAG_KEYS if name in found)


def _is_told(value: Any) -> bool:
    """Whether an error is told of: not null, empty, zero or words for none."""
    if isinstance(value, str):
        return value.strip().casefold() not in _NO_ERROR
    return bool(value)


def _is_bad_status(value: Any) -> bool:
    if isinstance(value, str):
        if value.casefold() in _FAILED_WORDS:
            return True
        return value in _BAD_TEXT
    return not isinstance(value, bool) and isinstance(value, int) and value in BAD


def _is_no(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.casefold() == "false")


def _apologises(after: Messages) -> bool:
    """Whether what is answered before the client speaks again says that it did not work."""
    for one in after:
        if one.role == "user":
            return False
        if _speaks(one) and _APOLOGY.search(one.text()[:LONGEST]):
            return True
    return False


def _speaks(one: Message) -> bool:
    return one.is_answer and bool(one.text())
