"""What is counted in the databases for boards and alerts; the SQL in the runbooks."""

from __future__ import annotations

import re
import uuid

import asyncpg
import pytest
from prometheus_client import REGISTRY

from agent_svc.inbound import figures as agent_figures
from chassis.catalogue import Catalogue
from chassis.census import census
from chassis.database import Database
from deploy.stack.prepared import Prepared
from deploy.stack.services import BY_NAME
from deploy.stack.settings import ROOT
from training_svc.inbound import figures as training_figures

RUN = """
INSERT INTO training_svc.runs (
    tenant_id, run_id, agent_id, dataset_id, version, provider, settings_sha256, request, status, step,
    root_model, trained_tokens, cost_microdollars, next_poll_at, failures
)
VALUES (
    'acme', $1, 'shop', $2, 1, 'openai', $3, '{"key_id": "k", "base_model": "whatever"}', $4, 'following',
    $5, $6, $7, clock_timestamp() - make_interval(mins => $8), $9
)
"""
SQL = re.compile(r"`((?:SELECT|WITH)\b[^`]*)`")
ROLE = re.compile(r"FROM (\w+_svc)\.")


def _database(servers: Prepared, name: str, service: str) -> Database:
    package = BY_NAME[service].package
    worker, http = (servers.databases.url(name, role) for role in (package, f"{package}_http"))
    return Database(worker, http, schema=package, source="/test")


def _value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_runs_are_counted_by_status_and_by_why_they_stand_still(
    servers: Prepared, database: str
) -> None:
    async with servers.databases.connection(database) as admin:
        for row in (
            ("ready", "gpt-4o-mini-2024-07-18", 5_000_000, 15_000_000, -60, 0),
            ("ready", None, 1_000, 7, -60, 0),
            ("training", None, None, None, 30, 0),
            ("training", None, None, None, -1, 12),
        ):
            await admin.execute(RUN, uuid.uuid4(), uuid.uuid4(), uuid.uuid4().hex, *row)
    own = _database(servers, database, "training-svc")
    await own.open(http=False)
    try:
        await census(own, training_figures.COUNTS).run()
        assert _value("mortarboard_runs", status="ready") == 2
        assert _value("mortarboard_runs", status="training") == 2
        assert _value("mortarboard_runs_stuck", why="unattended") == 1
        assert _value("mortarboard_runs_stuck", why="failing") == 1
        assert _value("mortarboard_runs_stuck", why="owner") == 0
        place = {"provider": "openai", "base_model": "gpt-4o-mini-2024-07-18"}
        assert _value("mortarboard_trained_tokens", **place) == 5_000_000
        assert _value("mortarboard_training_cost_dollars", **place) == 15.0
        assert _value("mortarboard_trained_tokens", provider="openai", base_model="other") == 1_000
        async with servers.databases.connection(database) as admin:
            await admin.execute("DELETE FROM training_svc.runs WHERE status = 'ready'")
        await census(own, training_figures.COUNTS).run()
        assert _value("mortarboard_runs", status="ready") is None, "what is gone is shown no longer"
    finally:
        await own.close()


async def test_agents_keys_and_ends_are_counted(servers: Prepared, database: str) -> None:
    async with servers.databases.connection(database) as admin:
        for tenant, model in (("acme", "gpt-4o-mini"), ("globex", "gpt-4o-mini-2024-07-18"), ("x", "ft:own")):
            await admin.execute(
                "INSERT INTO agent_svc.agents (tenant_id, agent_id, version, name) VALUES ($1, 'a', 1, 'A')",
                tenant,
            )
            await admin.execute(
                "INSERT INTO agent_svc.agent_versions (tenant_id, agent_id, version, definition, fingerprint,"
                " created_by) VALUES ($1, 'a', 1,"
                " jsonb_build_object('provider', 'openai', 'base_model', $2::text),"
                " '', '')",
                tenant,
                model,
            )
            await admin.execute(
                "INSERT INTO agent_svc.keys (tenant_id, key_id, provider, version, fingerprint, last4,"
                " training, infer)"
                " VALUES ($1, $2, 'openai', 1, '', '1234', 'no', 'yes')",
                tenant,
                uuid.uuid4(),
            )
        served = '{"targets": [{"model": "m", "provider": "openai", "share": 1}], "fallback": null}'
        await admin.execute(
            "INSERT INTO agent_svc.route_heads (tenant_id, agent_id, effective)"
            " VALUES ('acme', 'a', $1::jsonb), ('globex', 'a', '{\"targets\": []}')",
            served,
        )
        await admin.execute(
            "INSERT INTO agent_svc.retirement_warnings (tenant_id, agent_id, provider, model, ends_on, days)"
            " VALUES ('acme', 'a', 'openai', 'm', current_date + 20, 30),"
            " ('globex', 'a', 'openai', 'm', current_date + 20, 30)"
        )
    own = _database(servers, database, "agent-svc")
    await own.open(http=False)
    try:
        counts = agent_figures.counts(Catalogue(ROOT / "deploy" / "catalogue.yaml"))
        await census(own, counts).run()
        place = {"provider": "openai", "base_model": "gpt-4o-mini-2024-07-18"}
        assert _value("mortarboard_agents", **place) == 2
        assert _value("mortarboard_agents", provider="openai", base_model="other") == 1
        assert _value("mortarboard_keys", provider="openai", use="training", state="no") == 3
        assert _value("mortarboard_keys", provider="openai", use="answers", state="yes") == 3
        assert _value("mortarboard_agents_on_ending_models", provider="openai") == 1
    finally:
        await own.close()


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")))
async def test_the_sql_in_a_runbook_works_for_the_role_that_it_names(
    servers: Prepared, database: str, name: str
) -> None:
    text = (ROOT / "docs" / "runbooks" / name).read_text()
    for statement in SQL.findall(text):
        asked = " ".join(statement.split()).replace("SCHEMA.", "dataset_svc.").replace("(PID)", "(0)")
        role = ROLE.search(asked)
        url = servers.databases.url(database, role.group(1)) if role else None
        if url:
            connection = await asyncpg.connect(url)
            try:
                await connection.fetch(asked)
            finally:
                await connection.close()
        else:
            async with servers.databases.connection(database) as admin:
                await admin.fetch(asked)
