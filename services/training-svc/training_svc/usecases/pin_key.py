"""Pin the version of the key with which a run goes on."""

from __future__ import annotations

from dataclasses import replace

from chassis.database import Database
from training_svc.domain.run import Run
from training_svc.outbound import agent_store
from training_svc.usecases.hold import Hold


async def pin_key(database: Database, hold: Hold) -> None:
    """Pin the newest version of the key, when none is pinned or the pinned one was refused.

    Never while a create is in doubt: under another account its job could not be found.
    """
    run = hold.run
    if run.step in {"creating", "confirming"} or not (run.key_version is None or waits_for_key(run)):
        return
    async with database.transaction() as transaction:
        agent = await agent_store.get_agent(transaction.connection, run.request.tenant, run.request.agent_id)
    version = agent.key_version(run.request.key_id) if agent else None
    if version is not None and version != run.key_version:
        await hold.record(lambda run, _: replace(run, key_version=version, attention=None))


def waits_for_key(run: Run) -> bool:
    """Tell whether the run waits for its owner to renew the key."""
    return run.attention is not None and run.attention.code.startswith("key_")
