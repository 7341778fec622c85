"""Find dialogs: a page of a list or a search, and how many each filter would leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from chassis.database import Connection
from dialog_svc.domain.search import MIN_PART, to_query, wanted
from dialog_svc.outbound import listing_store as store
from dialog_svc.outbound.dialog_store import Row

EXACT = 10_000
VALUES = 20  # of a filter whose values are labels
FIXED: dict[str, tuple[Any, ...]] = {
    "rating": ("good", "bad"),
    "source": ("live", "test"),
    "has_functions": (True, False),
    "in_dataset": (True, False),
}
Place = tuple[str, Any]  # a filter and one of its values
LABELS = {"channel", "outcome", "model"}


@dataclass(frozen=True, slots=True)
class Search:
    """Which dialogs are meant: `filters` by name, `words` as somebody typed them."""

    filters: store.Filter
    words: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many dialogs there are with a filter's value, at least; exactly so unless `more`."""

    field: str
    value: Any
    count: int
    more: bool


async def page_of_dialogs(
    connection: Connection, search: Search, sort: str, after: store.Place | None, size: int
) -> list[Row]:
    """Return up to `size` dialogs in the order of `sort`, behind the place `after`."""
    if search.words is None:
        return await store.list_dialogs(connection, search.filters, sort, after, size)
    query = await _query(connection, search.words)
    if query is None:
        return []
    return await store.search_dialogs(connection, search.filters, query, sort, after, size)


async def count_dialogs(connection: Connection, tenant: str, search: Search) -> list[Count]:
    """Count the dialogs (field ""), and for each value of each filter those left by the other filters."""
    query = None
    if search.words is not None:
        query = await _query(connection, search.words)
        if query is None:
            return [Count("", None, 0, more=False)]
    places = list(_values(await _labels(connection, tenant, search.filters)))
    (total,) = await store.count_dialogs(connection, [search.filters], query, EXACT + 1)
    found = await _count_at_once(connection, search.filters, query, places) if total <= EXACT else {}
    others = [place for place in places if place not in found]
    variants = [{**search.filters, name: value} for name, value in others]
    found |= zip(others, await store.count_dialogs(connection, variants, query, EXACT + 1), strict=True)
    return [_count("", None, total), *(_count(*place, found[place]) for place in places)]


async def _labels(connection: Connection, tenant: str, filters: store.Filter) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = defaultdict(list)
    for row in await store.listed_values(connection, tenant, filters.get("agent_id"), VALUES):
        labels[row["field"]].append(row["value"])
    for name in LABELS & filters.keys():
        if (value := filters[name]) not in labels[name]:
            labels[name].append(value)  # who filters by it must see it
    return labels


async def _count_at_once(
    connection: Connection, filters: store.Filter, query: str | None, places: Iterable[Place]
) -> dict[Place, int]:
    """Count for the filters that are not set, which all look at the same dialogs."""
    rows = await store.count_values(connection, filters, query)
    known = {(row["field"], row["value"]): row["found"] for row in rows}
    return {
        (name, value): known.get((name, str(value).lower() if isinstance(value, bool) else value), 0)
        for name, value in places
        if name not in filters
    }


def _count(name: str, value: Any, number: int) -> Count:
    return Count(name, value, min(number, EXACT), more=number > EXACT)


def _values(labels: dict[str, list[str]]) -> Iterator[Place]:
    for name, values in FIXED.items():
        yield from ((name, value) for value in values)
    for name in sorted(labels):
        yield from ((name, value) for value in labels[name])


async def _query(connection: Connection, words: str) -> str | None:
    """Return the tsquery for what was typed, mistyped words and parts of numbers widened."""
    looked_for = wanted(words)
    stems = await store.stems(connection, looked_for.words) if looked_for.words else []
    parts = [part for part in looked_for.numbers if len(part) >= MIN_PART]
    known = await store.words_containing(connection, parts) if parts else {}
    return to_query(stems, {part: known.get(part, []) for part in looked_for.numbers})
