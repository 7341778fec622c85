"""Group near duplicates: what changed is compared with the whole dataset, by signatures, then by shingles.

It begins when nothing of the dataset waits to be checked: an import of many is grouped once. A few changes of
a small dataset are grouped where somebody waits for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection, Database
from dataset_svc.domain import near
from dataset_svc.domain.groups import Group, Member, Placement, Union, known_pairs, place_groups
from dataset_svc.outbound import check_store, near_store
from dataset_svc.outbound.side_process import SideProcess

AT_ONCE, SMALL = 32, 2_000
"""Changes, and examples they are compared with, that a request groups itself: some 20 ms."""
DOUBTS = 1_000
"""Pairs whose shingles are fetched and compared at a time, some 3 MB."""
WRITTEN = 2_000
"""Placements in one transaction, but for a group that has more."""
FIRST = UUID(int=0)

Pair = tuple[int, int]
Fetch = Callable[[Sequence[UUID]], Awaitable[dict[UUID, bytes]]]


async def can_group_now(connection: Connection, tenant: str, dataset_id: UUID) -> bool:
    """Whether there are changes to group, few of them, in a small dataset."""
    if not 0 < await near_store.count_due(connection, tenant, dataset_id) <= AT_ONCE:
        return False
    return await near_store.count_signatures(connection, tenant, dataset_id, most=SMALL + 1) <= SMALL


async def group_now(connection: Connection, tenant: str, dataset_id: UUID) -> None:
    """Group what changed; the caller has the dataset's turn."""
    await near_store.dissolve(connection, tenant, dataset_id)
    members, signatures = await _members(connection, tenant, dataset_id)

    async def fetch(examples: Sequence[UUID]) -> dict[UUID, bytes]:
        return await near_store.shingles(connection, tenant, examples)

    parts = await _matched(members, signatures, fetch, None)
    await _put(connection, tenant, dataset_id, parts)


class Grouper:
    """The worker: datasets take turns."""

    def __init__(self, database: Database, side: SideProcess) -> None:
        self._database = database
        self._side = side
        self._last = ("", FIRST)
        self._is_current = False

    async def group_next(self) -> bool:
        """Group the next dataset that has changes and nothing to check; returns whether there was one."""
        if not self._is_current:
            async with self._database.transaction() as transaction:
                await near_store.queue_outdated(transaction.connection, near.ALGORITHM)
            self._is_current = True
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            found = await near_store.next_due(connection, *self._last)
            if found is None and self._last != ("", FIRST):
                found = await near_store.next_due(connection, "", FIRST)
            if found is None:
                return False
            self._last = tenant, dataset_id = found["tenant_id"], found["dataset_id"]
            if await check_store.count_due(connection, tenant, dataset_id):
                return False
            if not await check_store.try_turn(connection, tenant, dataset_id):
                return False
            await near_store.dissolve(connection, tenant, dataset_id)
            members, signatures = await _members(connection, tenant, dataset_id)
            # what is due and cannot be compared was made by another version of the service
            self._is_current = len(signatures) == await near_store.count_signatures(
                connection, tenant, dataset_id
            )
        parts = await _matched(members, signatures, self._fetch(tenant), self._side)
        for some in _slices(parts):
            async with self._database.transaction() as transaction:
                await check_store.wait_turn(transaction.connection, tenant, dataset_id)
                await _put(transaction.connection, tenant, dataset_id, some)
        return bool(parts)

    def _fetch(self, tenant: str) -> Fetch:
        async def fetch(examples: Sequence[UUID]) -> dict[UUID, bytes]:
            async with self._database.transaction() as transaction:
                return await near_store.shingles(transaction.connection, tenant, examples)

        return fetch


async def _members(connection: Connection, tenant: str, dataset_id: UUID) -> tuple[list[Member], list[bytes]]:
    rows = await near_store.members(connection, tenant, dataset_id, near.ALGORITHM)
    members = [
        Member(
            row["example_id"], row["changed_at"], row["is_grouped"],
            Group(row["group_id"], row["group_split_hash"]) if row["group_id"] else None, row["split_hash"],
        )
        for row in rows
    ]  # fmt: skip
    return members, [row["signature"] for row in rows]


async def _matched(
    members: Sequence[Member], signatures: Sequence[bytes], fetch: Fetch, side: SideProcess | None
) -> list[list[Placement]]:
    """Return what changes in which group."""
    changed = [place for place, one in enumerate(members) if not one.is_grouped]
    known, joined = known_pairs(members), Union(len(members))
    if len(changed) <= AT_ONCE and len(members) <= SMALL:
        side = None  # another process would cost more than it takes off this one
    if side is None:
        found = near.find_pairs(signatures, changed, known)
    else:
        found = await side.run(near.find_pairs, signatures, changed, known)
    for pair in (*known, *found.near):
        joined.join(*pair)
    waiting = iter(found.doubtful)
    while pairs := _open(waiting, joined):
        for pair, is_near in zip(pairs, await _flags(members, pairs, fetch, side), strict=True):
            if is_near:
                joined.join(*pair)
    return place_groups(members, joined.parts(), uuid7)


def _open(waiting: Iterator[Pair], joined: Union) -> list[Pair]:
    """Return the next pairs that nothing connects yet."""
    pairs: list[Pair] = []
    for pair in waiting:
        if not joined.same(*pair):
            pairs.append(pair)
            if len(pairs) == DOUBTS:
                break
    return pairs


async def _flags(
    members: Sequence[Member], pairs: Sequence[Pair], fetch: Fetch, side: SideProcess | None
) -> list[bool]:
    """Say of each pair whether it is near; one that is gone meanwhile is near to nothing."""
    ids = {members[place].example_id for pair in pairs for place in pair}
    held = await fetch(list(ids))
    sets = [
        (held.get(members[one].example_id, b""), held.get(members[other].example_id, b""))
        for one, other in pairs
    ]
    if side is None:
        return near.near_flags(sets)
    return await side.run(near.near_flags, sets)


def _slices(parts: Sequence[list[Placement]]) -> Iterator[list[list[Placement]]]:
    some: list[list[Placement]] = []
    count = 0
    for part in parts:
        some.append(part)
        count += len(part)
        if count >= WRITTEN:
            yield some
            some, count = [], 0
    if some:
        yield some


async def _put(
    connection: Connection, tenant: str, dataset_id: UUID, parts: Sequence[Sequence[Placement]]
) -> None:
    """Store groups, and make the findings about them true again: also about those that were left."""
    if not parts:
        return
    await near_store.put_groups(connection, tenant, dataset_id, parts)
    placed = [one for part in parts for one in part]
    groups = {group.id for one in placed for group in (one.group, one.member.group) if group is not None}
    examples = [one.member.example_id for one in placed]
    await near_store.mark_near(connection, tenant, dataset_id, list(groups), examples)
