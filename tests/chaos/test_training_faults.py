"""Every fault of the provider at every call of a run, and a soak: runs end as the provider's ledger says.

`MORTARBOARD_SOAK_RUNS` sets the runs of the soak (100 by default; 2000 for the proof).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from deploy.simulator.faults import USUALLY
from deploy.stack.services import Surroundings
from tests.chaos.training import all_ended, no_files_left, owners, rows_of, settle
from tests.harness import until
from tests.integration.training_world import world

RUNS = int(os.environ.get("MORTARBOARD_SOAK_RUNS", "100"))
JOBS = "/v1/fine_tuning/jobs"
# a call for each state that a run goes through, in order
CALLS = {
    "uploading: files are looked for": ("GET", "/v1/files"),
    "uploading": ("POST", "/v1/files"),
    "creating: jobs are looked for": ("GET", JOBS),
    "creating": ("POST", JOBS),
    "following": ("GET", f"{JOBS}/ftjob-*"),
    "following: the diary": ("GET", f"{JOBS}/*/events"),
    "ended: checkpoints": ("GET", f"{JOBS}/*/checkpoints"),
    "ended: the result file": ("GET", "/v1/files/*/content"),
    "tidying up": ("DELETE", "/v1/files/*"),
}
# refusals that end a run when no job of it exists yet
FINAL = {"training_not_available", "unsupported_country", "insufficient_quota", "request_refused"}
SETTINGS = {
    "drivers": "8",
    "provider_timeout": "1.5",
    "upload_timeout": "3",
    "confirm_gap": "0.3",
    "lease_seconds": "3",
    "files_kept": "5",
    "tidy_every": "0.5",
}


@pytest.mark.timeout(600)
async def test_every_fault_in_every_state(surroundings: Surroundings, tmp_path: Path) -> None:
    cases = [(fault, state) for fault in sorted(USUALLY) for state in CALLS]
    async with world(surroundings, tmp_path, speed=10.0) as a_world:
        made = await owners(a_world, len(cases))
        for owner, (fault, state) in zip(made, cases, strict=True):
            method, path = CALLS[state]
            more: dict[str, Any] = {"retry_after": 0.2} if fault == "rate_limit" else {}
            more |= {"seconds": 2.5} if fault == "hang" else {}
            match = {"key": owner.key, "method": method, "path": path}
            a_world.simulator.add_fault(fault, match=match, times=2, **more)
        asked = [await a_world.request(agent_id=one.agent, key_id=one.key_id) for one in made]
        await a_world.started(**SETTINGS)
        for start in range(0, len(asked), 50):
            await a_world.publish(*asked[start : start + 50])
        rows = await all_ended(a_world, [one.run_id for one in asked], 300)
        ledger = settle(a_world, rows)
        print(f"every fault in every state: {len(cases)} cases, {ledger}")
        wrong = []
        for (fault, state), request in zip(cases, asked, strict=True):
            row = rows[request.run_id]
            before_the_job = state in list(CALLS)[:4]
            expected = "failed" if fault in FINAL and before_the_job else "ready"
            if fault == "model_not_ready" and before_the_job:
                expected = "failed"  # a 404 where a file or job is looked for is a refusal like others
            if row["status"] != expected:
                wrong.append((fault, state, row["status"], row["failure"]))
        assert not wrong, wrong
        assert ledger.living == ledger.ready
        await no_files_left(a_world, 120)


# faults after which the same attempt may succeed; one of them meets about every twentieth request
SOAK = {
    "server_error": {},
    "unavailable": {},
    "rate_limit": {"retry_after": 0.3},
    "connection_dropped": {},
    "hang": {"seconds": 2.5},
    "unauthorized": {},
    "answer_lost_after_create": {},
    "metadata_filter_ignored": {},
    "unknown_state": {},
    "empty_error_object": {},
    "null_error_fields": {},
    "result_file_base64": {},
}
SHARE = 0.05


@pytest.mark.timeout(2_400)
async def test_soak(surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=5.0) as a_world:
        made = await owners(a_world, 40)
        everywhere = [name for name in SOAK if USUALLY[name][1] == "/v1/*"]
        for name, more in SOAK.items():
            # those that meet every request share the twentieth; the others meet theirs as often
            chance = SHARE / len(everywhere) if name in everywhere else SHARE
            a_world.simulator.add_fault(name, times=None, chance=chance, **more)
        asked = [
            await a_world.request(agent_id=made[n % 40].agent, key_id=made[n % 40].key_id)
            for n in range(RUNS)
        ]
        for slot in ("1", "2"):
            await a_world.started(slot, **SETTINGS)
        for start in range(0, RUNS, 100):
            await a_world.publish(*asked[start : start + 100])
            await asyncio.sleep(0.2)
        rows = await all_ended(a_world, [one.run_id for one in asked], 60 + RUNS)
        ledger = settle(a_world, rows)
        doubted = sum(row["doubted"] for row in rows.values())
        calls = await a_world.requests()
        print(f"soak: {ledger}, {doubted} in doubt on the way, {sum(calls.values())} requests")
        assert (ledger.ready, ledger.jobs, ledger.living, ledger.succeeded) == (RUNS, RUNS, RUNS, RUNS)
        a_world.simulator.admin("DELETE", "faults")
        await no_files_left(a_world, 180)

        async def all_told() -> bool:
            now = await rows_of(a_world, list(rows))
            return {row["files_state"] for row in now.values()} == {"deleted"}

        await until(all_told, 60, "files deleted and told so")
