"""Groups of near duplicates: what is connected, and which group keeps its id.

A group is all that is connected by pairs that are near, so that no pair ever stands on both sides of a split.
It keeps its id, and with it its side, as long as one of its members stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class Union:
    """Places that belong together (union-find)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def root(self, place: int) -> int:
        """Return the place that stands for all that belong together with this one."""
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    def join(self, one: int, other: int) -> None:
        """Let two places, and all that belong to either, belong together; the smallest stands for them."""
        first, second = sorted((self.root(one), self.root(other)))
        self._above[second] = first

    def same(self, one: int, other: int) -> bool:
        """Whether both belong together."""
        return self.root(one) == self.root(other)

    def parts(self) -> Iterator[list[int]]:
        """Yield the places that belong together, in order."""
        found: dict[int, list[int]] = {}
        for place in range(len(self._above)):
            found.setdefault(self.root(place), []).append(place)
        yield from found.values()


@dataclass(frozen=True, slots=True)
class Group:
    """A group's id, and the 8 bytes by which all of it is placed in a split."""

    id: UUID
    split_hash: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """An example as it was read: the group it was in, whether that still counts, and its own place."""

    example_id: UUID
    changed_at: datetime
    is_grouped: bool
    group: Group | None
    split_hash: bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """The group that an example gets, if it has not changed since."""

    member: Member
    group: Group | None


def known_pairs(members: Sequence[Member]) -> list[tuple[int, int]]:
    """Return pairs of places that connect each group that still counts."""
    first: dict[UUID, int] = {}
    return [
        (first.setdefault(one.group.id, place), place)
        for place, one in enumerate(members)
        if one.is_grouped and one.group is not None
    ]


def place_groups(
    members: Sequence[Member], parts: Iterable[Sequence[int]], new_id: Callable[[], UUID]
) -> list[list[Placement]]:
    """Return, of each part in which anything changes, what changes; members are in order of id.

    A group that fell apart lives on where most of it is, and of groups that became one the oldest does. A new
    one takes the place of its first member, so that this one stays on its side.
    """
    connected = list(parts)
    heirs = _heirs(members, connected)
    placed = []
    for number, part in enumerate(connected):
        inherited = (
            one for place in part if (one := members[place].group) is not None and heirs[one.id] == number
        )
        group = min(inherited, key=lambda one: one.id, default=None)
        if group is None and len(part) > 1:
            group = Group(new_id(), members[part[0]].split_hash)
        changes = [
            Placement(members[place], group)
            for place in part
            if not members[place].is_grouped or members[place].group != group
        ]
        if changes:
            placed.append(changes)
    return placed


def _heirs(members: Sequence[Member], parts: Sequence[Sequence[int]]) -> dict[UUID, int]:
    """Return the part that keeps each group's id: that with most of its members, of two the first."""
    held: Counter[tuple[UUID, int]] = Counter()
    for number, part in enumerate(parts):
        held.update((group.id, number) for place in part if (group := members[place].group) is not None)
    heirs: dict[UUID, int] = {}
    for (group_id, number), count in held.items():
        if group_id not in heirs or count > held[group_id, heirs[group_id]]:
            heirs[group_id] = number
    return heirs
