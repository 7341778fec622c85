"""What the database itself enforces: tenants, schemas, keys that begin with the tenant."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from deploy.stack.services import BY_NAME, Surroundings
from tests.integration.kit import kit

# bookkeeping without tenants, and the console's sessions, found by their cookie before it is known whose they
# are; the outbox is numbered over all tenants because that is its order
WITHOUT_TENANT = {"leases", "schema_migrations", "clocks", "shelves", "sessions", "sign_ins"}
KEY_WITHOUT_TENANT = {"inbox": "consumer", "outbox": "id"}


async def _rows(surroundings: Surroundings, sql: str) -> list[Any]:
    async with surroundings.databases.connection(surroundings.database) as connection:
        return list(await connection.fetch(sql))


async def test_every_key_begins_with_the_tenant(surroundings: Surroundings) -> None:
    keys = await _rows(
        surroundings,
        """
        SELECT n.nspname || '.' || c.relname AS tbl, c.relname, k.contype::text AS kind,
               (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = k.conkey[1]) AS first
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype IN ('p', 'u', 'f') AND (n.nspname LIKE '%\\_svc' OR n.nspname = 'vault')
        """,
    )
    assert len(keys) > 40
    wrong = [
        row["tbl"]
        for row in keys
        if row["first"] != "tenant_id"
        and row["relname"] not in WITHOUT_TENANT
        and not any(row["relname"].startswith(name) and row["first"] == first
                    for name, first in KEY_WITHOUT_TENANT.items())
    ]  # fmt: skip
    assert wrong == []


async def test_every_tenant_table_has_forced_row_level_security(surroundings: Surroundings) -> None:
    rows = await _rows(
        surroundings,
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND (n.nspname LIKE '%\\_svc' OR n.nspname = 'vault')
        """,
    )
    open_tables = {row["relname"] for row in rows if not row["forced"]}
    assert len(rows) > 25
    assert open_tables == WITHOUT_TENANT


@pytest.mark.parametrize("suffix", ["", "_http"])
async def test_each_role_reaches_only_its_own_schema_and_training_the_vault(
    surroundings: Surroundings, suffix: str
) -> None:
    schemas = {one.package for one in BY_NAME.values()} | {"vault"}
    vault = {"agent_svc", "agent_svc_http", "training_svc"}
    for one in BY_NAME.values():
        role = one.package + suffix
        rows = await _rows(
            surroundings,
            f"SELECT nspname FROM pg_namespace WHERE has_schema_privilege('{role}', nspname, 'USAGE')",
        )
        own = {one.package} | ({"vault"} if role in vault else set())
        assert {row["nspname"] for row in rows} & schemas == own, role
    (written,) = await _rows(
        surroundings,
        "SELECT has_table_privilege('training_svc', 'vault.secrets', 'INSERT, UPDATE, DELETE') AS w",
    )
    assert written["w"] is False


@pytest.mark.parametrize("suffix", ["", "_http"])
async def test_what_was_audited_is_added_to_and_read_only_and_http_lets_nothing_of_it_expire(
    surroundings: Surroundings, suffix: str
) -> None:
    for schema in (one.package for one in BY_NAME.values()):
        (may,) = await _rows(
            surroundings,
            f"""
            SELECT array_agg(p) FILTER (WHERE has_table_privilege(role, '{schema}.audit', p)) AS do,
                has_function_privilege(role, '{schema}.expire_audit(interval, int)', 'EXECUTE') AS end
            FROM (VALUES ('{schema}{suffix}')) r (role),
                unnest('{{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}}'::text[]) p
            GROUP BY role
            """,
        )
        assert (may["do"], may["end"]) == (["SELECT", "INSERT"], not suffix), schema


async def test_the_http_role_sees_and_writes_its_tenant_only(surroundings: Surroundings) -> None:
    insert = (
        "INSERT INTO dialogs (tenant_id, dialog_id, agent_id, source, started_at, last_at, shelf) "
        "VALUES ($1, 'd1', 'shop', 'live', now(), now(), 0)"
    )
    async with kit(surroundings) as parts:
        for tenant in ("acme", "globex"):
            async with parts.database.tenant_transaction(tenant) as transaction:
                await transaction.connection.execute(insert, tenant)
        async with parts.database.tenant_transaction("acme") as transaction:
            seen = await transaction.connection.fetch("SELECT tenant_id FROM dialogs")
            done = await transaction.connection.execute("UPDATE dialogs SET outcome = 'x'")
        assert ([row["tenant_id"] for row in seen], done) == (["acme"], "UPDATE 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with parts.database.tenant_transaction("acme") as transaction:
                await transaction.connection.execute(insert.replace("'d1'", "'d2'"), "globex")
        async with parts.database.transaction() as transaction:
            assert await transaction.connection.fetchval("SELECT count(*) FROM dialogs") == 2


async def test_a_transaction_without_a_tenant_sees_nothing_by_http(surroundings: Surroundings) -> None:
    url = surroundings.databases.url(surroundings.database, "dialog_svc_http")
    connection = await asyncpg.connect(url, server_settings={"search_path": "dialog_svc"})
    try:
        with pytest.raises(asyncpg.PostgresError, match=r"app\.tenant"):
            await connection.fetch("SELECT * FROM dialogs")
    finally:
        await connection.close()
