"""All SQL on targets that are out, on young models, and on the days when models end."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from asyncpg import Record

from agent_svc.domain.routing import Place
from chassis.database import Connection

Row = Record


def _place(row: Row) -> Place:
    return Place(row["provider"], row["model"], str(row["key_id"]))


async def out_of(connection: Connection, tenant: str, agent_id: str) -> list[Place]:
    """Return the agent's targets that are out."""
    rows = await connection.fetch(
        "SELECT provider, model, key_id FROM outages WHERE tenant_id = $1 AND agent_id = $2", tenant, agent_id
    )
    return [_place(row) for row in rows]


async def shown(connection: Connection, tenant: str, agent_id: str) -> list[Row]:
    """Return the agent's outages: (provider, model, code, since)."""
    return await connection.fetch(
        "SELECT provider, model, code, since FROM outages WHERE tenant_id = $1 AND agent_id = $2 "
        "ORDER BY since, model",
        tenant,
        agent_id,
    )


async def put_outage(
    connection: Connection, *, tenant: str, agent_id: str, place: Place, code: str, pause: float | None
) -> bool:
    """Note that a target is out, to be asked again after `pause` seconds (None: never); tells whether new."""
    done = await connection.execute(
        """
        INSERT INTO outages (tenant_id, agent_id, provider, model, key_id, code, pause, next_probe_at)
        VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, 0),
                coalesce(clock_timestamp() + make_interval(secs => $7), 'infinity'))
        ON CONFLICT DO NOTHING
        """,
        tenant,
        agent_id,
        place.provider,
        place.model,
        UUID(place.key_id),
        code,
        pause,
    )
    return bool(done.endswith("1"))


async def retire(connection: Connection, tenant: str, agent_id: str, place: Place) -> None:
    """Let an outage be for good."""
    await connection.execute(
        "UPDATE outages SET code = 'retired', next_probe_at = 'infinity' "
        "WHERE tenant_id = $1 AND agent_id = $2 AND provider = $3 AND model = $4 AND key_id = $5",
        tenant,
        agent_id,
        place.provider,
        place.model,
        UUID(place.key_id),
    )


async def delete_outages(connection: Connection, tenant: str, agent_id: str, place: Place | None) -> bool:
    """End an outage, or with None all of the agent; returns whether there was any."""
    done = await connection.execute(
        """
        DELETE FROM outages WHERE tenant_id = $1 AND agent_id = $2
            AND ($3::text IS NULL OR (provider = $3 AND model = $4 AND key_id = $5))
        """,
        tenant,
        agent_id,
        place.provider if place else None,
        place.model if place else None,
        UUID(place.key_id) if place else None,
    )
    return not done.endswith(" 0")


async def claim_due(connection: Connection, limit: int) -> list[Row]:
    """Take outages whose probe is due, of all tenants; nobody else takes them before their pause is over."""
    return await connection.fetch(
        """
        UPDATE outages o SET next_probe_at = clock_timestamp() + make_interval(secs => greatest(o.pause, 15))
        FROM (SELECT tenant_id, agent_id, provider, model, key_id FROM outages
              WHERE next_probe_at <= clock_timestamp() ORDER BY next_probe_at LIMIT $1
              FOR UPDATE SKIP LOCKED) due
        WHERE (o.tenant_id, o.agent_id, o.provider, o.model, o.key_id)
            = (due.tenant_id, due.agent_id, due.provider, due.model, due.key_id)
        RETURNING o.tenant_id, o.agent_id, o.provider, o.model, o.key_id, o.since
        """,
        limit,
    )


async def note_probe(
    connection: Connection,
    *,
    tenant: str,
    agent_id: str,
    place: Place,
    since: datetime,
    passed: bool,
    pause: float,
    longest: float,
) -> int:
    """Note a probe of the outage that began at `since`; returns how many passed in a row, -1 if it is over.

    After a pass the next comes in `pause` seconds; after a failure in twice the last, at most `longest`.
    """
    row = await connection.fetchval(
        """
        UPDATE outages SET
            passed = CASE WHEN $7 THEN passed + 1 ELSE 0 END,
            pause = CASE WHEN $7 THEN $8 ELSE least(pause * 2, $9) END,
            next_probe_at = clock_timestamp()
                + make_interval(secs => CASE WHEN $7 THEN $8 ELSE least(pause * 2, $9) END)
        WHERE tenant_id = $1 AND agent_id = $2 AND provider = $3 AND model = $4 AND key_id = $5 AND since = $6
            AND next_probe_at < 'infinity'
        RETURNING passed
        """,
        tenant,
        agent_id,
        place.provider,
        place.model,
        UUID(place.key_id),
        since,
        passed,
        pause,
        longest,
    )
    return -1 if row is None else int(row)


async def put_trained(connection: Connection, tenant: str, provider: str, model: str, at: datetime) -> None:
    """Note when training finished a model; the first time counts."""
    await connection.execute(
        "INSERT INTO trained_models (tenant_id, provider, model, ready_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING",
        tenant,
        provider,
        model,
        at,
    )


async def is_young(connection: Connection, tenant: str, place: Place, seconds: float) -> bool:
    """Tell whether training finished the model less than `seconds` ago."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM trained_models WHERE tenant_id = $1 AND provider = $2 AND model = $3 "
            "AND ready_at > clock_timestamp() - make_interval(secs => $4))",
            tenant,
            place.provider,
            place.model,
            seconds,
        )
    )


async def dates(connection: Connection) -> dict[tuple[str, str, str], tuple[date | None, datetime]]:
    """Return what providers said: (tenant, provider, model) → (the model's last day or None, when asked)."""
    rows = await connection.fetch("SELECT tenant_id, provider, model, ends_on, asked_at FROM model_dates")
    return {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}


async def date_of(connection: Connection, tenant: str, provider: str, model: str) -> date | None:
    """Return the day on which a model ends, as its provider said."""
    found: date | None = await connection.fetchval(
        "SELECT ends_on FROM model_dates WHERE tenant_id = $1 AND provider = $2 AND model = $3",
        tenant,
        provider,
        model,
    )
    return found


async def put_date(
    connection: Connection, tenant: str, provider: str, model: str, ends_on: date | None
) -> None:
    """Keep what a provider said of a model's end."""
    await connection.execute(
        """
        INSERT INTO model_dates (tenant_id, provider, model, ends_on) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, provider, model)
        DO UPDATE SET ends_on = excluded.ends_on, asked_at = clock_timestamp()
        """,
        tenant,
        provider,
        model,
        ends_on,
    )


async def put_warning(
    connection: Connection, *, tenant: str, agent_id: str, provider: str, model: str, ends_on: date, days: int
) -> bool:
    """Note that the warning of `days` before was given; returns whether it was not before."""
    done = await connection.execute(
        "INSERT INTO retirement_warnings (tenant_id, agent_id, provider, model, ends_on, days) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        tenant,
        agent_id,
        provider,
        model,
        ends_on,
        days,
    )
    return bool(done.endswith("1"))
