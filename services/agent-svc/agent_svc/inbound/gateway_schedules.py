"""What agent-svc does by itself, again and again."""

from __future__ import annotations

from collections.abc import Sequence

from agent_svc.outbound import turn_store
from agent_svc.usecases.probe_targets import Prober
from agent_svc.usecases.retire_models import Retirements
from chassis.database import Database
from chassis.leases import Worker

REMEMBER_DAYS = 60
AT_ONCE = 1_000


def workers(
    database: Database, prober: Prober, retirements: Retirements, probe_every: float
) -> Sequence[Worker]:
    """Return the workers of agent-svc."""

    async def forget() -> bool:
        async with database.transaction() as transaction:
            return await turn_store.forget_old(transaction.connection, REMEMBER_DAYS, AT_ONCE) == AT_ONCE

    return [
        Worker("probe", prober.run, every=min(5.0, probe_every)),
        Worker("retirements", retirements.run, every=3600.0, leased=True, stale_after=7500.0),
        Worker("forget-turns", forget, every=3600.0, leased=True, stale_after=7500.0),
    ]
