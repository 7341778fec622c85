"""The words before a number, which say what it is: the nearest one counts."""

from __future__ import annotations

import re
from functools import lru_cache

BEFORE, AFTER = 48, 24
"""Code points that are looked at on either side of a number."""
_FLAGS = re.IGNORECASE
_WORDS = re.compile(
    r"(?P<phone>тел(?:ефон\w*|\b)|моб(?:ильн\w*|\b)|сотов\w*|городск\w*|домашн\w*|звон\w*|набер\w*"
    r"|(?:пере|по)звон\w*|на связи|what'?s\s?app|в[ао]тс\w*|viber|вайбер\w*|telegram|телеграм\w*|смс\w*"
    r"|\bsms\b|для связи|phone\w*|\bcall(?:ing|ed)?\b|\bcell\b|\bmobile\b|\btel\b"
    r"|\btext(?:ed)? (?:me|us|him|her|at|to)\b"
    r"|\breach (?:me|us|him|her|you)\b|\bring\b|\bfax\b|\bdial\b|\bmsisdn\b)"
    r"|(?P<inn>\bинн\b|(?-i:\bINN\b)|налогоплательщик\w*|\btaxpayer\b|\btax id\b)"
    r"|(?P<snils>снилс\w*|\bsnils\b|страхов\w+ (?:номер\w*|свидетельств\w*)|пенсионн\w+ (?:номер|страхов)\w*)"
    r"|(?P<passport>паспорт\w*|\bpassport\w*|загран\w*|\bсери[яию]\b|удостоверени\w+ личности)"
    r"|(?P<card>\bкарт(?:а|ы|е|у|ой|очк\w+)\b|\bcard\b|\bvisa\b|master\s?card\w*|\bмир\b|\bpan\b|\bamex\b)"
    r"|(?P<other>заказ\w*|\border\w*|трек\w*|\btrack\w*|накладн\w+|отправлени\w+|посылк\w+|\bparcel\b|\bshipment\b"
    r"|\binvoice\w*|\bсч[её]т\w*|договор\w*|\bcontract\b|артикул\w*|\bsku\b|брон\w+|\bbooking\b|\breservation\b"
    r"|\bconfirmation\b|\breference\b|\bref\b|\btransaction\b|транзакци\w+|\bticket\b|билет\w*|тикет\w*"
    r"|обращени\w+|заявк\w+|\bcase\b|\bisbn\b|\bimei\b|\bvin\b|серийн\w+|\bserial\b|\broom\b|огрн\w*|\bкпп\b|\bбик\b"
    r"|\bокпо\b|\bкорр?\.?\s?сч\w*|р/с|к/с|штрих\w*|\bbarcode\b|\bean\b|\baccount\b|лицев\w+|полис\w*|\bpolicy\b"
    r"|кадастр\w+|\bквитанци\w+|\bчек\w*|\breceipt\b|\bprice\b|\bцен\w+|\bсумм\w+|\bversion\b|версии?\w*|\bid\b"
    r"|\bmodel\b|модел\w+|\bмодем\w*|тираж\w*|\bstock\b|бонусн\w+|\bloyalty\b|\bmember(?:ship)?\b|\bserver\b)",
    _FLAGS,
)
OTHER = "other"
_SENTENCE_ENDS = re.compile(r"[!?\n]|\w{4}\.\s")
_PARTS = re.compile(r"[_\-.\s]+|(?<=[a-z])(?=[A-Z])")


def named(text: str, start: int, key: str = "") -> str | None:
    """Return what the nearest word before `start` says that a number is, "other" for no personal data.

    `key` is the name of the JSON field that holds the text, farther away than any word of the text.
    """
    if start == 0:
        return _named_by_key(key)
    return _nearest(f"{key} {text[max(0, start - BEFORE) : start]}")


@lru_cache(maxsize=1024)
def _named_by_key(key: str) -> str | None:
    """In JSON only its field's name stands before a number; no text is remembered, only names of fields."""
    return _nearest(key)


def _nearest(words: str) -> str | None:
    nearest = None
    for found in _WORDS.finditer(words):
        nearest = found.lastgroup
        if nearest == OTHER and _SENTENCE_ENDS.search(words, found.end()):
            nearest = None  # "Where is order 7? My number is …"
    return nearest


def named_as(kind: str, text: str, start: int, end: int, key: str = "") -> str | None:
    """Return what the words before say, and where they say nothing the kind, if a word after does.

    "912… is my phone": the first word of the same sentence counts, and only for the kind that is looked for.
    """
    before = named(text, start, key)
    if before is not None:
        return before
    window = re.split(r"[.!?;\n]", text[end : end + AFTER], maxsplit=1)[0]
    first = _WORDS.search(window)
    return kind if first and first.lastgroup == kind else None


@lru_cache(maxsize=1024)
def words_of_key(key: str) -> str:
    """Return the words of a field's name: "clientPhone_number" is "client Phone number"."""
    words = _PARTS.sub(" ", key)
    return re.sub(r"\binn\b", "INN", words, flags=_FLAGS)
