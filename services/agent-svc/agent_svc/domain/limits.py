"""How many requests of a tenant are answered at once, and how many a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from agent_svc.domain.gateway_errors import too_many_at_once


@dataclass(frozen=True, slots=True)
class Limit:
    """A tenant's limits; 0 means none. `per_minute` counts over all instances, `at_once` in each."""

    per_minute: int
    at_once: int


class Limits:
    """The limits of all tenants, and how many requests of each this process answers now."""

    def __init__(self, usual: Limit, others: Mapping[str, Limit]) -> None:
        self._usual = usual
        self._others = others
        self._now: dict[str, int] = {}

    def of(self, tenant: str) -> Limit:
        """Return a tenant's limits."""
        return self._others.get(tenant, self._usual)

    @contextmanager
    def one_more(self, tenant: str) -> Iterator[None]:
        """Count a request while the block runs; raises a 429 Problem when there are too many."""
        running = self._now.get(tenant, 0)
        if 0 < self.of(tenant).at_once <= running:
            raise too_many_at_once()
        self._now[tenant] = running + 1
        try:
            yield
        finally:
            if self._now[tenant] == 1:
                del self._now[tenant]
            else:
                self._now[tenant] -= 1
