"""What agent-svc says of agents, keys and models as a whole, for boards and alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from prometheus_client import Gauge

from agent_svc.outbound import census_store as store
from chassis.catalogue import Catalogue
from chassis.census import Count, Figures
from chassis.database import Connection

SOON = timedelta(days=30)
OTHER = "other"

agents = Gauge("mortarboard_agents", "Agents by their base model", ["provider", "base_model"])
keys = Gauge("mortarboard_keys", "Provider keys in use, by what they can do", ["provider", "use", "state"])
outages = Gauge("mortarboard_outages", "Models that do not answer now", ["provider"])
ending = Gauge(
    "mortarboard_agents_on_ending_models", "Agents served by a model that ends within 30 days", ["provider"]
)


def counts(catalogue: Catalogue) -> Sequence[Count]:
    """Return what is counted; a model that the catalogue does not list is told as `other`."""

    async def by_model(connection: Connection) -> Figures:
        sums: Counter[tuple[str, ...]] = Counter()
        for (provider, model), number in (await store.agents(connection)).items():
            known = catalogue.base_model(provider, model)
            sums[provider, known.id if known else OTHER] += int(number)
        return sums

    async def soon(connection: Connection) -> Figures:
        return await store.agents_on_ending_models(connection, SOON)

    return (
        Count(agents, by_model),
        Count(keys, store.keys),
        Count(outages, store.outages),
        Count(ending, soon),
    )
