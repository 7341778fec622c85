"""20,000 chat events through two instances each of dialog-svc and dataset-svc while everything breaks.

Replay a run with MORTARBOARD_LEDGER_SEED=<seed>; the seed is printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from pathlib import Path

import pytest

from deploy.stack.prepared import Prepared
from tests.chaos.ledger import FAULTS, check, drained
from tests.chaos.load import TENANTS, Ledger, curate, publish_load
from tests.chaos.world import world
from tests.harness import token, until

DIALOGS, LENGTH, EXAMPLES = 501, 40, 60
SECONDS = 80.0


@pytest.mark.timeout(360)
async def test_nothing_is_lost_doubled_stuck_or_out_of_order(
    servers: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("MORTARBOARD_LEDGER_SEED") or random.randrange(10**6))
    ledger, began = Ledger(), time.monotonic()
    tokens = {tenant: await token(servers.issuer, tenant) for tenant in TENANTS}
    async with world(tmp_path, servers.issuer) as here:
        loading = asyncio.create_task(
            publish_load(here.surroundings, ledger, seed, dialogs=DIALOGS, length=LENGTH, seconds=SECONDS)
        )
        await until(lambda: _begun(ledger))
        curating = asyncio.create_task(curate(here, ledger, seed, examples=EXAMPLES, tokens=tokens))
        await here.chaos(seed, kills=32, pauses=4, restarts=2)
        await asyncio.gather(loading, curating)
        await here.revive()
        await until(lambda: drained(here.surroundings, ledger), within=120, what=f"drained (seed {seed})")
        report = await check(here.surroundings, ledger)
    report |= {"seed": seed, "seconds": round(time.monotonic() - began), "chaos": dict(here.counts)}
    with capsys.disabled():
        print(f"\nledger: {json.dumps(report)}", flush=True)
    assert not any(report[fault] for fault in FAULTS), report


async def _begun(ledger: Ledger) -> bool:
    return len(ledger.dialogs) == DIALOGS
