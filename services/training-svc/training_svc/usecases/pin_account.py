"""Pin the address and the version of the key with which a run goes on."""

from __future__ import annotations

from dataclasses import replace

from chassis.catalogue import Catalogue
from chassis.database import Database
from training_svc.domain.run import Run
from training_svc.outbound import agent_store
from training_svc.usecases.hold import Hold
from training_svc.usecases.start_run import pinned_address


async def pin_account(database: Database, catalogue: Catalogue, hold: Hold) -> None:
    """Pin the address and the newest version of the key, when none is pinned or the key was refused.

    Never while a create is in doubt: under another account its job could not be found.
    """
    run = hold.run
    pinned = run.key_version is not None and run.base_url is not None and not waits_for_key(run)
    if run.step in {"creating", "confirming"} or pinned:
        return
    async with database.transaction() as transaction:
        agent = await agent_store.get_agent(transaction.connection, run.request.tenant, run.request.agent_id)
    version = agent.key_version(run.request.key_id) if agent else None
    address = run.base_url or pinned_address(catalogue, agent, run.request)
    if version is not None and (version, address) != (run.key_version, run.base_url):
        await hold.record(lambda run, _: replace(run, key_version=version, base_url=address, attention=None))


def waits_for_key(run: Run) -> bool:
    """Tell whether the run waits for its owner to renew the key."""
    return run.attention is not None and run.attention.code.startswith("key_")
