"""Telephone numbers: shapes in which people write them, held against libphonenumber's metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from dataset_svc.domain.personal.context import named_as
from dataset_svc.domain.personal.found import Found

_ANY = "ZZ"
"""libphonenumber's name for no country: only numbers with a country code."""
_SEP = r"[\s.()\-–—‑]{0,3}"
_BEGIN = r"(?<![\w/=#№*@])(?<!\d[.,\-])"
_END = r"(?!\w)(?![.,\-]\d)"
_SHAPES: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    # the pattern, the country for numbers without one, and whether the shape alone says enough
    (re.compile(rf"{_BEGIN}(?:\+|(?<!\d)00)\s?\d(?:{_SEP}\d){{6,14}}(?!\w)"), _ANY, True),
    (re.compile(rf"{_BEGIN}\(?[78](?:{_SEP}\d){{10}}{_END}"), "RU", True),
    (re.compile(rf"{_BEGIN}\(?[3489]\d\d\)?[\s\-.]{{1,2}}\d{{3}}[\s\-.–]\d\d[\s\-.–]\d\d{_END}"), "RU", True),
    (re.compile(rf"{_BEGIN}\(\d{{4}}\)\s?\d\d[\s\-–]?\d\d[\s\-–]?\d\d{_END}"), "RU", True),
    (re.compile(rf"{_BEGIN}(?:1[\s.\-])?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[\s.\-–])\d{{3}}[\s.\-–]\d{{4}}{_END}"),
     "US", True),
    (re.compile(rf"{_BEGIN}\(?0\d{{2,4}}\)?[\s\-]\d{{3,4}}[\s\-]?\d{{3,4}}{_END}"), "GB", True),
    (re.compile(rf"{_BEGIN}07\d{{9}}{_END}"), "GB", False),
    (re.compile(rf"{_BEGIN}9\d(?:[\s\-]{{0,2}}\d){{8}}{_END}"), "RU", False),
    (re.compile(rf"{_BEGIN}[2-9](?:[\s\-]?\d){{9}}{_END}"), "US", False),
)  # fmt: skip
_LOCAL = re.compile(rf"{_BEGIN}(?!00)(?:\d{{2,3}}-\d\d-\d\d|\d{{3}}-\d{{4}}){_END}")
"""A number without its area code, which nothing can be held against: a word must say what it is."""
_MOBILE_RU = re.compile(r"[78]9\d{9}\Z")
_SHORTEST = 7
_MOST = 1_000
"""Numbers of one text that are held against the metadata, 50 µs each; of more the shape must do."""
_LAST_GROUP = re.compile(r"[\s.()\-–—‑]*\d+\Z")
_ABROAD = re.compile(r"\A00\s?")
_OTHERS = frozenset({"inn", "snils", "passport", "card", "other"})


def find_phones(text: str, key: str = "") -> Iterator[Found]:
    """Yield the telephone numbers in a text; one of the kinds that only companies have is without value."""
    tried, known = 0, dict[int, int]()
    for pattern, region, says_enough in _SHAPES:
        for match in pattern.finditer(text):
            if known.get(match.start(), 0) >= match.end():
                continue
            about = None if match[0][0] == "+" else named_as("phone", text, *match.span(), key)
            if about in _OTHERS or (about is None and not (says_enough and _grouped(match[0]))):
                continue
            tried += 1
            for found in _valid(match.start(), match[0], region, judged=tried <= _MOST):
                known[found.start] = found.end
                yield found
    for match in _LOCAL.finditer(text):
        if named_as("phone", text, *match.span(), key) == "phone":
            yield Found(*match.span(), "phone", _digits(match[0]))


def _grouped(number: str) -> bool:
    """Whether it is written as a telephone number is: a row of digits alone may be anything."""
    if number[0] == "+":
        return True
    return not number.isdigit() or _MOBILE_RU.match(number) is not None


def _valid(start: int, number: str, region: str, *, judged: bool) -> Iterator[Found]:
    """Yield the longest beginning, cut between groups, that is a number; a company's without its value."""
    end = len(number)
    while end and len(_digits(number[:end])) >= _SHORTEST:
        value = _value(number[:end], region) if judged else _digits(number)
        if value is not None:
            yield Found(start, start + end, "phone", value)
            return
        if region != _ANY:
            return
        end = len(_LAST_GROUP.sub("", number[:end]))


def _value(written: str, region: str) -> str | None:
    """The number in E.164, "" for a company's, None when it is none."""
    import phonenumbers  # loads 3 MB: only where something looks like a number

    one_line = " ".join(written.split())
    try:
        parsed = phonenumbers.parse(_ABROAD.sub("+", one_line), region)
    except phonenumbers.NumberParseException:
        return None
    kind = phonenumbers.number_type(parsed)  # what is_valid_number asks for too, at half the cost
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:
        return None
    if kind in _companies():
        return ""
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


@cache
def _companies() -> frozenset[int]:
    from phonenumbers import PhoneNumberType as Type

    return frozenset({Type.TOLL_FREE, Type.PREMIUM_RATE, Type.SHARED_COST, Type.UAN})


def _digits(text: str) -> str:
    return "".join(one for one in text if one.isdigit())
