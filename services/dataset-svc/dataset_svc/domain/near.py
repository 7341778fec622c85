"""Which examples say nearly the same: word shingles, their signatures, and the pairs that are near.

Two examples are near when their sets of word 3-shingles have a Jaccard similarity of 0.8 or more. Words are
those of the trained part, in order, messages and function calls alike, without case, accents on е, and
punctuation; a text without words counts as one shingle.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest

from rensa import RMinHash, RMinHashLSH

from dataset_svc.domain.groups import Union
from dataset_svc.domain.line import taught_part
from dataset_svc.domain.message import Messages

NEAR = 0.8
SHINGLE = 3
PERMUTATIONS, BANDS, SEED = 126, 21, 8
"""Bands of six: of pairs at 0.8 one in a thousand is missed, at 0.5 a quarter is looked at in vain."""
MOST_SHINGLES = 4_096
"""Hashes that are kept of an example: of more the smallest, which estimate to 0.01 (one standard deviation
is 0.006)."""
DOUBT = 0.12
"""Four standard deviations of a signature's estimate at 0.8: within it the shingles are compared."""
CROWD = 500
"""An example that already has so many candidates is compared but not indexed: work stays linear where very
many dialogs follow one script."""
FEW = 8
"""Doubtful pairs of one example that are compared, the likeliest: one that is near is enough for a group."""
ALGORITHM = f"1-{RMinHash.ALGORITHM_VERSION}"
"""Changes with the words, the shingles or the library's hashing; what has another one is made anew."""
_HIGH = 1 if sys.byteorder == "little" else 0
"""Which half of a hash is kept: the upper one is mixed best."""
_WORD = re.compile(r"\w+")
_ASCII_WORDS = {
    code: chr(code).lower() if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128)
}


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is kept of an example: its signature, and hashes of its shingles (32 bits each)."""

    signature: bytes
    shingles: bytes


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of places: those that are near for certain, and those whose shingles must be compared."""

    near: list[tuple[int, int]]
    doubtful: list[tuple[int, int]]


def words_of(messages: Messages) -> list[str]:
    """Return the words of the trained part, or its bare text as the only one where it has no word."""
    texts = [
        text
        for one in taught_part(messages)
        for text in (one.text(), *(part for call in one.calls for part in (call.name, call.arguments)))
    ]
    text = "\n".join(texts)
    if text.isascii():  # the same words, four times as fast
        words = text.translate(_ASCII_WORDS).split()
    else:
        words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("ё", "е"))
    bare = "".join(text.split())
    return words or ([bare] if bare else [])


def shingles_of(words: Sequence[str]) -> list[str]:
    """Return each three words in a row, as often as they are said; fewer words are one shingle."""
    if 0 < len(words) < SHINGLE:
        return [" ".join(words)]
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def sketch(messages: Messages) -> Sketch | None:
    """Return what is kept of an example, None where nothing would be trained."""
    shingles = shingles_of(words_of(messages))
    if not shingles:
        return None
    signature = RMinHash(PERMUTATIONS, SEED)
    signature.update(shingles)
    (hashes,) = RMinHash.hash_token_sets([shingles])
    kept = array("I", memoryview(array("Q", hashes)).cast("B").cast("I")[_HIGH::2])
    if len(kept) > MOST_SHINGLES:
        kept = array("I", sorted(set(kept))[:MOST_SHINGLES])
    return Sketch(signature.__getstate__(), kept.tobytes())


def jaccard(one: bytes, other: bytes) -> float:
    """Return the similarity of two examples by their shingles: exact below 4,096 of them, then estimated."""
    if not one or not other:
        return 0.0
    left, right = set(array("I", one)), set(array("I", other))
    both = left & right
    if max(len(left), len(right)) < MOST_SHINGLES:
        return len(both) / (len(left) + len(right) - len(both))
    smallest = sorted(left | right)[:MOST_SHINGLES]
    return sum(1 for hashed in smallest if hashed in both) / len(smallest)


def near_flags(pairs: Iterable[tuple[bytes, bytes]]) -> list[bool]:
    """Say of each pair of shingle sets whether they are near."""
    return [jaccard(*pair) >= NEAR for pair in pairs]


def find_pairs(
    signatures: Sequence[bytes], changed: Sequence[int], known: Iterable[tuple[int, int]] = ()
) -> Pairs:
    """Return the pairs that a changed example is part of; what is unchanged was compared before.

    Left out is what is connected already: through pairs that are `known`, or near for certain.
    """
    sketches = [_restored(one) for one in signatures]
    index, found, joined = RMinHashLSH(NEAR, PERMUTATIONS, BANDS), Pairs([], []), Union(len(signatures))
    for pair in known:
        joined.join(*pair)
    again = set(changed)
    for place in (*(one for one in range(len(sketches)) if one not in again), *changed):
        candidates = index.query(sketches[place])
        if place in again:
            _compare(place, candidates, sketches, joined, found)
        if len(candidates) < CROWD:
            index.insert(place, sketches[place])
    return found


def _restored(signature: bytes) -> RMinHash:
    made = RMinHash(PERMUTATIONS, SEED)
    made.__setstate__(signature)
    return made


def _compare(
    place: int, candidates: Iterable[int], sketches: Sequence[RMinHash], joined: Union, found: Pairs
) -> None:
    doubtful: list[tuple[float, int]] = []
    for other in candidates:
        if joined.same(place, other):
            continue
        likeness = sketches[place].jaccard(sketches[other])
        if likeness >= NEAR + DOUBT:
            joined.join(place, other)
            found.near.append((place, other))
        elif likeness >= NEAR - DOUBT:
            doubtful.append((likeness, other))
    found.doubtful.extend((place, other) for _, other in nlargest(FEW, doubtful))
