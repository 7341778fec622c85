"""Lineage of a version of 100,000 examples: `python -m tests.bench.lineage`.

`version_p50_ms`: the version with its counts and the first page of its examples, `page_p50_ms`: the same from
the middle on, `example_p50_ms`: from an example to what serves; medians in a real PostgreSQL, as the HTTP
role under row-level security, by the clock. 1,000 of the examples were erased.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from statistics import median
from uuid import UUID

from dataset_svc.domain.lineage import Kind, Place, VersionId
from dataset_svc.usecases.trace_lineage import Asked, trace_lineage
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.settings import from_environment
from tests.bench._stage import NO_ISSUER, result
from tests.integration.curation import TENANT, Curation, curating

EXAMPLES, ERASED, ROUNDS = 100_000, 1_000, 30
MAKE = """
    WITH version AS (
        INSERT INTO dataset_versions (tenant_id, dataset_id, version, state, agent_id, agent_version, prompt,
            tools, prompt_fingerprint, settings, warnings, examples, created_by)
        VALUES ($1, $2, 1, 'ready', 'shop', 1, '', '[]', '', '{}', '[]', $3, 'bench')
    ), made AS (
        INSERT INTO version_examples (tenant_id, dataset_id, version, example_id, revision, part,
            agent_version, position, content_sha256)
        SELECT $1, $2, 1, uuidv7(), 1, 'training', 1, n, sha256(n::text::bytea)
        FROM generate_series(1, $3::int) AS n RETURNING example_id, position
    ), origins AS (
        INSERT INTO example_origins (tenant_id, dialog_hmac, example_id, dataset_id)
        SELECT $1, sha256(position::text::bytea), example_id, $2 FROM made
    )
    INSERT INTO example_revisions (tenant_id, example_id, revision, dialog_id, messages, line, tokens,
        teaches, answers, saved_by)
    SELECT $1, example_id, 1, 'd' || position, to_jsonb(repeat(md5(position::text), 60)),
        repeat(md5(position::text), 60), 0, 1, 1, 'bench' FROM made WHERE position > $4::int
"""
SERVE = """
    WITH run AS (
        INSERT INTO train_requests (tenant_id, run_id, dataset_id, version, provider, settings_sha256,
            settings, asked_by)
        VALUES ($1, uuidv7(), $2, 1, 'openai', '', '{"base_model": "m"}', 'bench') RETURNING run_id
    ), made AS (
        INSERT INTO run_models (tenant_id, run_id, provider, model, heard_at)
        SELECT $1, run_id, 'openai', 'ft:m', now() FROM run
    ), served AS (
        INSERT INTO activations (tenant_id, id, agent_id, route_version, reason, route, began_at, now_reason,
            now_since)
        VALUES ($1, 'a', 'shop', 1, 'activated', '{}', now(), 'activated', now())
    )
    INSERT INTO activation_models (tenant_id, activation_id, number, role, provider, model, serves)
    VALUES ($1, 'a', 0, 'target', 'openai', 'ft:m', true)
"""


def main() -> None:
    """Measure the three."""
    asyncio.run(_main())


async def _main() -> None:
    folder = from_environment().run / "bench" / f"lineage-{os.getpid()}"
    servers = Servers.on_free_ports(folder)
    await servers.start_postgres()
    try:
        prepared = await prepare("", servers.admin_url, NO_ISSUER, folder)
        async with curating(prepared, prepared.template, folder / "objects") as curation:
            version, middle, example = await _make(curation)
            async with prepared.databases.connection(prepared.template) as admin:
                await admin.execute("VACUUM ANALYZE")
            await _measure(curation, version, Place(version, middle), str(example))
    finally:
        await servers.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _make(curation: Curation) -> tuple[VersionId, UUID, UUID]:
    """Return the version, the example in its middle and its last one."""
    dataset = await curation.agent()
    async with curation.database.transaction() as transaction:
        connection = transaction.connection
        await connection.execute(MAKE, TENANT, dataset, EXAMPLES, ERASED)
        await connection.execute(SERVE, TENANT, dataset)
        places = [
            await connection.fetchval(
                "SELECT example_id FROM version_examples ORDER BY example_id OFFSET $1 LIMIT 1", place
            )
            for place in (EXAMPLES // 2, EXAMPLES - 1)
        ]
    return VersionId(dataset, 1), places[0], places[1]


async def _measure(curation: Curation, version: VersionId, middle: Place, example: str) -> None:
    first = await _median(curation, "version", str(version), None)
    on = await _median(curation, "version", str(version), middle)
    down = await _median(curation, "example", example, None)
    result(version_p50_ms=first, page_p50_ms=on, example_p50_ms=down)


async def _median(curation: Curation, kind: Kind, node: str, after: Place | None) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        async with curation.database.tenant_transaction(TENANT) as transaction:
            asked = Asked(transaction.connection, TENANT, node, after, 50)
            found = await trace_lineage(kind, asked)
        seconds.append(time.perf_counter() - started)
        if not found.serves_now or (found.counts and tuple(found.counts) != (EXAMPLES, ERASED)):
            raise RuntimeError("the chain is not whole")
    return round(median(seconds) * 1e3, 1)


if __name__ == "__main__":
    main()
