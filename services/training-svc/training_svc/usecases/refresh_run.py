"""Ask the provider now: make the run due and wait for its driver; HTTP itself holds no keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chassis.database import Database
from training_svc.domain.errors import no_run
from training_svc.domain.run import Run
from training_svc.outbound import run_store

LOOK_EVERY = 0.1
PATIENCE = 5.0


async def refresh_run(
    database: Database, *, tenant: str, run_id: str, gap: float, wake: Callable[[], None]
) -> Run:
    """Return the run as the provider sees it now, or as last seen when it does not answer within `PATIENCE`.

    The provider is asked at most once in `gap` seconds: who asks meanwhile waits for that answer, and who
    asks after it gets it again.
    """
    async with database.tenant_transaction(tenant) as transaction:
        before = await run_store.lock(transaction.connection, tenant, run_id)
        if before is None:
            raise no_run()
        on_its_way = await run_store.ask_poll(transaction.connection, tenant, run_id, gap)
    if not on_its_way:
        return before
    wake()
    deadline = asyncio.get_running_loop().time() + PATIENCE
    run = before
    while run.applied_poll == before.applied_poll and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(LOOK_EVERY)
        async with database.tenant_transaction(tenant) as transaction:
            run = await run_store.get(transaction.connection, tenant, run_id) or before
    return run
