"""All SQL about runs. Workers hold a run by its epoch; what a lost epoch writes changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from chassis.database import Connection
from training_svc.domain.run import Run
from training_svc.outbound.run_rows import failure_row, read_run, wish_row


async def insert(connection: Connection, run: Run, *, settings_sha256: str) -> bool:
    """Store the intent; False when this run, or an unfinished one with the same settings, is there.

    A run that is final already is never due.
    """
    request = run.request
    done = await connection.fetchval(
        """
        INSERT INTO runs (tenant_id, run_id, agent_id, dataset_id, version, provider, settings_sha256,
                          request, base_url, key_version, status, failure, provider_status, parent_run_id,
                          root_model, price, estimate, next_poll_at, finished_at, traceparent)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                CASE WHEN $18 THEN NULL ELSE clock_timestamp() END,
                CASE WHEN $18 THEN clock_timestamp() END, $19)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        request.tenant,
        request.run_id,
        request.agent_id,
        request.dataset_id,
        request.version,
        request.provider,
        settings_sha256,
        asdict(request),
        run.base_url,
        run.key_version,
        run.status,
        failure_row(run.failure),
        run.provider_status,
        run.parent_run_id,
        run.root_model,
        run.price,
        run.estimate,
        run.is_final,
        run.traceparent,
    )
    return bool(done)


async def traceparent_of(connection: Connection, tenant: str, run_id: str) -> str:
    """Return the span in which a run was asked for; empty when there is none."""
    found = await connection.fetchval(
        "SELECT traceparent FROM runs WHERE tenant_id = $1 AND run_id = $2", tenant, run_id
    )
    return str(found or "")


async def claim(connection: Connection, lease_seconds: float) -> Run | None:
    """Take the run that is longest due for a driver, under a new epoch and poll number; None when none is.

    Runs that are merely followed are taken by account (`follow_store`).
    """
    row = await connection.fetchrow(
        """
        UPDATE runs SET
            epoch = epoch + 1,
            poll_no = poll_no + 1,
            leased_until = clock_timestamp() + make_interval(secs => $1),
            claimed_at = clock_timestamp()
        WHERE (tenant_id, run_id) = (
            SELECT tenant_id, run_id FROM runs
            WHERE next_poll_at <= now() AND leased_until < now() AND NOT followed
            ORDER BY next_poll_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING *
        """,
        lease_seconds,
    )
    return read_run(row) if row else None


async def prolong(connection: Connection, runs: Sequence[Run], lease_seconds: float) -> bool:
    """Keep claimed runs for longer; False when the epoch of each is past."""
    done = await connection.fetchval(
        """
        WITH kept AS (
            UPDATE runs r SET leased_until = clock_timestamp() + make_interval(secs => $4)
            FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS held (tenant_id, run_id, epoch)
            WHERE r.tenant_id = held.tenant_id AND r.run_id = held.run_id AND r.epoch = held.epoch
              AND r.leased_until > '-infinity'
            RETURNING 1
        )
        SELECT EXISTS (SELECT FROM kept)
        """,
        [run.request.tenant for run in runs],
        [run.request.run_id for run in runs],
        [run.epoch for run in runs],
        lease_seconds,
    )
    return bool(done)


async def lock_held(
    connection: Connection, tenant: str, run_id: str, epoch: int, poll_no: int
) -> tuple[Run, datetime] | None:
    """Lock a run for its holder; returns it with the database's time, or None when the epoch is past."""
    row = await connection.fetchrow(
        """
        SELECT *, clock_timestamp() AS present FROM runs
        WHERE tenant_id = $1 AND run_id = $2 AND epoch = $3 AND applied_poll <= $4 FOR UPDATE
        """,
        tenant,
        run_id,
        epoch,
        poll_no,
    )
    return (read_run(row), row["present"]) if row else None


async def lock(connection: Connection, tenant: str, run_id: str) -> Run | None:
    """Lock a run for a change that needs no lease."""
    row = await connection.fetchrow(
        "SELECT * FROM runs WHERE tenant_id = $1 AND run_id = $2 FOR UPDATE", tenant, run_id
    )
    return read_run(row) if row else None


async def write_held(connection: Connection, run: Run, *, due_in: float | None, release: bool) -> bool:
    """Record what the holder found out; with `release` give the run back, due in `due_in` seconds or never.

    A run that was made due while it was held is due at once: what the holder saw may be older than that.
    False when a newer epoch or a later poll was recorded meanwhile.
    """
    done = await connection.fetchval(
        """
        UPDATE runs SET
            base_url = $5, key_version = $6, status = $7, step = $8, asked = $9,
            attention = $10, failure = $11,
            provider_status = $12, job_id = $13, model = $14, checkpoints = $15, progress = $16,
            trained_tokens = $17, cost_microdollars = $18, checked_at = $19, training_file_id = $20,
            validation_file_id = $21, creating_at = $22, empty_lists = $23, listed_at = $24, doubted = $25,
            litter = $26, failures = $27, applied_poll = $4,
            wish_result = $30, finished_at = $31, files_state = $32, files_until = $33,
            leased_until = CASE WHEN $28 THEN '-infinity' ELSE leased_until END,
            next_poll_at = CASE WHEN NOT $28 THEN next_poll_at
                                WHEN $29::float8 IS NOT NULL AND next_poll_at > claimed_at
                                    THEN clock_timestamp()
                                ELSE clock_timestamp() + make_interval(secs => $29) END
        WHERE tenant_id = $1 AND run_id = $2 AND epoch = $3 AND applied_poll <= $4
        RETURNING true
        """,
        run.request.tenant,
        run.request.run_id,
        run.epoch,
        run.poll_no,
        run.base_url,
        run.key_version,
        run.status,
        run.step,
        run.asked,
        failure_row(run.attention),
        failure_row(run.failure),
        run.provider_status,
        run.job_id,
        run.model,
        run.checkpoints,
        run.progress,
        run.trained_tokens,
        run.cost_microdollars,
        run.checked_at,
        run.training_file_id,
        run.validation_file_id,
        run.creating_at,
        run.empty_lists,
        run.listed_at,
        run.doubted,
        run.litter,
        run.failures,
        release,
        due_in,
        wish_row(run.wish_result),
        run.finished_at,
        run.files_state,
        run.files_until,
    )
    return bool(done)


async def ask(connection: Connection, tenant: str, run_id: str, asked: str) -> None:
    """Note what the owner asked for and make the run due."""
    await connection.execute(
        "UPDATE runs SET asked = $3, next_poll_at = clock_timestamp() WHERE tenant_id = $1 AND run_id = $2",
        tenant,
        run_id,
        asked,
    )


async def ask_poll(connection: Connection, tenant: str, run_id: str, gap: float) -> bool:
    """Make an unfinished run due now, unless one was asked for less than `gap` seconds ago.

    A run that is being looked at is not made due once more: that look is the answer.
    Returns whether an answer is on its way: to this question, or to one that was asked just before.
    """
    on_its_way = await connection.fetchval(
        """
        WITH asked AS (
            UPDATE runs SET
                asked_poll_at = clock_timestamp(),
                next_poll_at = CASE WHEN leased_until > clock_timestamp() THEN next_poll_at
                                    ELSE clock_timestamp() END
            WHERE tenant_id = $1 AND run_id = $2 AND status NOT IN ('ready', 'failed', 'cancelled')
              AND (asked_poll_at IS NULL OR asked_poll_at < clock_timestamp() - make_interval(secs => $3))
            RETURNING true
        )
        SELECT EXISTS (SELECT FROM asked) OR (
            SELECT status NOT IN ('ready', 'failed', 'cancelled')
               AND asked_poll_at > coalesce(checked_at, '-infinity')
            FROM runs WHERE tenant_id = $1 AND run_id = $2
        )
        """,
        tenant,
        run_id,
        gap,
    )
    return bool(on_its_way)


async def withdraw(
    connection: Connection, tenant: str, dataset_id: str, version: int, reason: str
) -> list[str]:
    """Mark a dataset version and its runs as withdrawn; returns the unfinished ones, locked.

    Files of runs that ended are to be deleted at the provider now, those of the others once they have ended,
    at the latest within a day. Withdrawn again, neither is put off, nor tried before its time.
    """
    await connection.execute(
        "INSERT INTO withdrawn_versions VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        tenant,
        dataset_id,
        version,
        reason,
    )
    await connection.execute(  # in one order for all who lock many
        "SELECT FROM runs WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 "
        "ORDER BY tenant_id, run_id FOR UPDATE",
        tenant,
        dataset_id,
        version,
    )
    await connection.execute(
        """
        UPDATE runs SET withdrawn = true, files_until = clock_timestamp()
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND files_state = 'kept' AND NOT withdrawn
          AND status IN ('ready', 'failed', 'cancelled')
        """,
        tenant,
        dataset_id,
        version,
    )
    rows = await connection.fetch(
        """
        UPDATE runs SET withdrawn = true, next_poll_at = clock_timestamp(),
            files_state = CASE WHEN withdrawn THEN files_state ELSE 'kept' END,
            files_until = CASE WHEN withdrawn THEN files_until
                ELSE clock_timestamp() + interval '23 hours' END
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3
          AND status NOT IN ('ready', 'failed', 'cancelled')
        RETURNING run_id
        """,
        tenant,
        dataset_id,
        version,
    )
    return [str(row["run_id"]) for row in rows]


async def set_attention(connection: Connection, run: Run) -> None:
    """Record only what the run waits for."""
    await connection.execute(
        "UPDATE runs SET attention = $3 WHERE tenant_id = $1 AND run_id = $2",
        run.request.tenant,
        run.request.run_id,
        failure_row(run.attention),
    )


async def is_withdrawn(connection: Connection, tenant: str, dataset_id: str, version: int) -> bool:
    """Tell whether a dataset version must no longer be trained on."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM withdrawn_versions WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3",
            tenant,
            dataset_id,
            version,
        )
    )


async def get(connection: Connection, tenant: str, run_id: str) -> Run | None:
    """Return a run."""
    row = await connection.fetchrow("SELECT * FROM runs WHERE tenant_id = $1 AND run_id = $2", tenant, run_id)
    return read_run(row) if row else None


async def by_ids(connection: Connection, tenant: str, run_ids: Sequence[str]) -> dict[str, Run]:
    """Return runs by their ids; those that are not there are left out."""
    rows = await connection.fetch(
        "SELECT * FROM runs WHERE tenant_id = $1 AND run_id = ANY($2::uuid[])", tenant, list(run_ids)
    )
    return {str(row["run_id"]): read_run(row) for row in rows}


async def of_agent(
    connection: Connection,
    tenant: str,
    agent_id: str | None,
    *,
    status: str | None,
    before: str | None,
    limit: int,
) -> list[Run]:
    """Return up to `limit` runs, newest first, older than the run `before`."""
    rows = await connection.fetch(
        """
        SELECT * FROM runs WHERE tenant_id = $1 AND ($2::text IS NULL OR agent_id = $2)
          AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR run_id < $4)
        ORDER BY run_id DESC LIMIT $5
        """,
        tenant,
        agent_id,
        status,
        before,
        limit,
    )
    return [read_run(row) for row in rows]
