"""What an owner writes on an example for themselves: a note and tags. Neither trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import Text
from dataset_svc.domain.edits import EditRefusedError

MAX_TAGS = 50


@dataclass(frozen=True, slots=True)
class SetNote:
    """Write a note; an empty one removes it."""

    text: str


@dataclass(frozen=True, slots=True)
class SetTags:
    """Add and remove tags."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """An example's note and tags, the latter sorted."""

    note: str
    tags: tuple[str, ...]

    def after(self, change: SetNote | SetTags) -> Labels:
        """Return the labels after a change; raises EditRefusedError above 50 tags."""
        if isinstance(change, SetNote):
            return Labels(change.text, self.tags)
        return Labels(self.note, retag(self.tags, change.add, change.remove))


def retag(tags: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...]:
    """Return the tags with some added and some removed, sorted; raises EditRefusedError above 50."""
    found = tuple(sorted((set(tags) | set(add)) - set(remove)))
    if len(found) > MAX_TAGS:
        text = Text(f"An example may have {MAX_TAGS} tags.", f"У примера может быть {MAX_TAGS} меток.")
        raise EditRefusedError("too_many_tags", text, None, "add")
    return found
