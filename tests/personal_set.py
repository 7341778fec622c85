"""The labelled messages of tests/data/personal, and how well what is found fits them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset_svc.domain.message import Message
from dataset_svc.domain.personal.places import places

FOLDER = Path(__file__).parent / "data" / "personal"
FILES = ("ru.txt", "en.txt", "calls.txt")
HELD_OUT = ("held_out.txt",)
_MARK = re.compile(r"⟦(\w+):(.*?)⟧", re.DOTALL)
Label = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A message with the spans that a person marked: (start, end, kind)."""

    where: str
    text: str
    labels: tuple[Label, ...]


def messages(files: Sequence[str] = FILES) -> Iterator[Labelled]:
    """The messages, in order: a line is one, ⟦kind:…⟧ a label; \\n is a line break where it is no JSON."""
    for name in files:
        lines = (FOLDER / name).read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):
                continue
            text = line if line[0] in "{[" else line.replace("\\n", "\n")
            yield _labelled(f"{name}:{number}", text)


def _labelled(where: str, marked: str) -> Labelled:
    text, labels, end = "", list[Label](), 0
    for match in _MARK.finditer(marked):
        text += marked[end : match.start()]
        labels.append((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        end = match.end()
    return Labelled(where, text + marked[end:], tuple(labels))


def found_in(text: str) -> set[Label]:
    """What the detectors find in a message with this content."""
    return {(one.start, one.end, one.found.kind) for one in places(Message("m", "user", text))}


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one kind: found and labelled, found only, labelled only. A span counts when both ends fit."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of what was found that is labelled."""
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        """The share of what is labelled that was found."""
        return self.right / max(self.right + self.missed, 1)


def scores(files: Sequence[str] = FILES) -> dict[str, Score]:
    """The counts of each kind over the messages of these files."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for one in messages(files):
        found = found_in(one.text)
        right.update(kind for *_, kind in found & set(one.labels))
        wrong.update(kind for *_, kind in found - set(one.labels))
        missed.update(kind for *_, kind in set(one.labels) - found)
    kinds = sorted(right | wrong | missed)
    return {kind: Score(right[kind], wrong[kind], missed[kind]) for kind in kinds}
