"""Words as the rules compare them: sets written as patterns, stems that are good enough."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
CYRILLIC_STEM = 5
"""Letters of a Russian word that are compared."""
ENDINGS = ("ing", "ed", "es", "s")


class Words:
    """A set of words, each a pattern of a whole word, parted by blanks."""

    def __init__(self, *patterns: str) -> None:
        self.source = "|".join(" ".join(patterns).split())
        self._pattern = re.compile(self.source)

    def __call__(self, word: str) -> bool:
        """Whether a word is one of them."""
        return self._pattern.fullmatch(word) is not None


def plain(text: str) -> str:
    """Return a text in small letters, with one kind of apostrophe and of е."""
    return text.replace("\u2019", "'").casefold().replace("ё", "е")


def words_of(text: str) -> list[str]:
    """Return the words of a plain text."""
    return _WORD.findall(text)


def stem(word: str) -> str:
    """Return a word without what inflects it; two words with the same stem count as the same."""
    if word[0].isdigit():
        return word
    if "а" <= word[0] <= "я":
        return word[:CYRILLIC_STEM]
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending)
    return word
