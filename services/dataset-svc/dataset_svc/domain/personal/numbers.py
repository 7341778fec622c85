"""Numbers that the state or a bank gives a person, told from others by check digits and words before them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dataset_svc.domain.personal.context import named, named_as
from dataset_svc.domain.personal.found import Found

_BEGIN, _END = r"(?<![\w*./=-])", r"(?![\w*])(?![-.,]\d)"
_SPACE = r"[ \u00a0\t\n\-–‑]"
_CARD = re.compile(
    rf"{_BEGIN}(?:\d{{4}}(?:{_SPACE}{{1,2}}\d{{4}}){{3}}(?:{_SPACE}\d{{1,3}})?|3[47]\d\d{_SPACE}\d{{6}}{_SPACE}\d{{5}}|\d{{13,19}})"
    rf"{_END}"
)
_ISSUERS = re.compile(
    r"(?:4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|220[0-4]\d{12,15}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}"
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12}|62\d{14,17}|(?:5018|5020|5038|6304|67\d\d)\d{12,15})\Z"
)
"""Visa, Mastercard, Мир, American Express, Diners, JCB, Discover, UnionPay, Maestro."""
_SNILS = re.compile(rf"{_BEGIN}\d{{3}}(?P<a>[ \u00a0\-–]?)\d{{3}}(?P=a)\d{{3}}[ \u00a0\-–]?\d\d{_END}")
_INN = re.compile(rf"{_BEGIN}(?:\d{{12}}|\d{{10}}|\d{{4}} \d{{6}} \d\d|\d{{4}} \d{{5}} \d){_END}")
_PASSPORT = re.compile(
    rf"{_BEGIN}\d\d ?\d\d(?:,? ?(?:№|#|н\.|ном\.|номер|n\.?|no\.?|-|\n)? ?)\d{{3}} ?\d{{3}}{_END}",
    re.IGNORECASE,
)
_ABROAD = re.compile(rf"{_BEGIN}(?:[A-Z]{{1,2}} ?\d{{6,8}}|\d\d ?(?:№ ?)?\d{{7}}|\d{{9}}){_END}")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
_SNILS_UNCHECKED = 1_001_998
"""Numbers up to this one were given without check digits; ours for examples are among them."""


def find_cards(text: str, key: str = "") -> Iterator[Found]:
    """Yield card numbers: an issuer's range and length, and the check digit."""
    from stdnum import luhn

    for match in _CARD.finditer(text):
        digits = _digits(match[0])
        if _ISSUERS.match(digits) and luhn.is_valid(digits):
            about = named(text, match.start(), key)
            if about not in {"other", "phone"}:
                yield Found(*match.span(), "card", digits)


def find_snils(text: str, key: str = "") -> Iterator[Found]:
    """Yield SNILS: eleven digits with a check number, in groups, or where a word says so."""
    for match in _SNILS.finditer(text):
        digits = _digits(match[0])
        if _snils_is_valid(digits):
            about = named_as("snils", text, *match.span(), key)
            if about == "snils" or (about is None and not match[0].isdigit()):
                yield Found(*match.span(), "snils", digits)


def _snils_is_valid(digits: str) -> bool:
    if int(digits[:9]) <= _SNILS_UNCHECKED:
        return False
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits[:9]))
    return total % 101 % 100 == int(digits[9:])


def find_inns(text: str, key: str = "") -> Iterator[Found]:
    """Yield INNs that hold their check digits: a person's twelve alone, ten only where a word says so."""
    from stdnum.ru import inn

    for match in _INN.finditer(text):
        digits = _digits(match[0])
        if not inn.is_valid(digits) or digits.startswith("00"):
            continue
        about = named_as("inn", text, *match.span(), key)
        if about == "inn" or (about is None and match[0].isdigit() and len(digits) == 12):  # noqa: PLR2004
            yield Found(*match.span(), "inn", digits)


def find_passports(text: str, key: str = "") -> Iterator[Found]:
    """Yield passport numbers; only a word tells them from any other number."""
    for pattern in (_PASSPORT, _ABROAD):
        for match in pattern.finditer(text):
            value = re.sub(r"[^A-Z0-9]", "", match[0])
            about = named_as("passport", text, *match.span(), key)
            if about == "passport" and value[:4] != "0000":
                yield Found(*match.span(), "passport", value)


def find_ibans(text: str, _: str = "") -> Iterator[Found]:
    """Yield international account numbers."""
    from stdnum.iso7064 import mod_97_10

    for match in _IBAN.finditer(text):
        value = match[0].replace(" ", "")
        if 15 <= len(value) <= 34 and mod_97_10.is_valid(value[4:] + value[:4]):  # noqa: PLR2004 -- ISO 13616
            yield Found(*match.span(), "iban", value)


def _digits(text: str) -> str:
    return "".join(one for one in text if one.isdigit())
