"""All SQL about following: the due runs of one account are taken, and looked at, together."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Connection
from training_svc.domain.run import Run
from training_svc.outbound.run_rows import read_run

MOST_RUNS = 100
"""Runs taken together: one page of a provider's list of jobs."""


async def claim_account(connection: Connection, lease_seconds: float, fresh_seconds: float) -> list[Run]:
    """Take the followed run that is longest due, first, and the others of its account, under new epochs.

    An account is a key in one version at one address. Its other runs come along unless they were looked at
    less than `fresh_seconds` ago. Empty when none is due.
    """
    rows = await connection.fetch(
        """
        WITH lead AS MATERIALIZED (
            SELECT tenant_id, run_id, key_id, key_version, base_url FROM runs
            WHERE next_poll_at <= now() AND leased_until < now() AND followed
            ORDER BY next_poll_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ), others AS MATERIALIZED (
            SELECT r.tenant_id, r.run_id FROM lead JOIN runs r USING (tenant_id, key_id)
            WHERE r.followed AND r.next_poll_at IS NOT NULL AND r.leased_until < now()
              AND r.key_version IS NOT DISTINCT FROM lead.key_version
              AND r.base_url IS NOT DISTINCT FROM lead.base_url
              AND r.run_id <> lead.run_id
              AND (r.checked_at IS NULL OR r.checked_at < now() - make_interval(secs => $2))
            ORDER BY r.next_poll_at LIMIT $3 FOR UPDATE OF r SKIP LOCKED
        ), taken AS (
            SELECT tenant_id, run_id, true AS leads FROM lead
            UNION ALL SELECT tenant_id, run_id, false FROM others
        ), claimed AS (
            UPDATE runs r SET
                epoch = epoch + 1,
                poll_no = poll_no + 1,
                leased_until = clock_timestamp() + make_interval(secs => $1),
                next_poll_at = least(next_poll_at, clock_timestamp()),
                claimed_at = clock_timestamp()
            FROM taken WHERE (r.tenant_id, r.run_id) = (taken.tenant_id, taken.run_id)
            RETURNING r.*, taken.leads
        )
        SELECT * FROM claimed ORDER BY leads DESC, next_poll_at
        """,
        lease_seconds,
        fresh_seconds,
        MOST_RUNS - 1,
    )
    return [read_run(row) for row in rows]


async def note_unchanged(connection: Connection, runs: Sequence[Run], pauses: Sequence[float]) -> None:
    """Give back runs of which a look showed nothing new, each due again after its pause (seconds).

    What a newer epoch holds stays as it is; what was made due meanwhile is due at once.
    """
    await connection.execute(
        """
        WITH held AS MATERIALIZED (  -- in one order for all who lock many
            SELECT r.tenant_id, r.run_id, looked.pause FROM runs r
            JOIN unnest($1::text[], $2::uuid[], $3::bigint[], $4::float8[])
                AS looked (tenant_id, run_id, epoch, pause) USING (tenant_id, run_id, epoch)
            ORDER BY r.tenant_id, r.run_id FOR UPDATE OF r
        )
        UPDATE runs r SET
            applied_poll = r.poll_no,
            checked_at = clock_timestamp(),
            failures = 0,
            leased_until = '-infinity',
            next_poll_at = CASE WHEN r.next_poll_at > r.claimed_at THEN clock_timestamp()
                                ELSE clock_timestamp() + make_interval(secs => held.pause) END
        FROM held WHERE (r.tenant_id, r.run_id) = (held.tenant_id, held.run_id)
        """,
        [run.request.tenant for run in runs],
        [run.request.run_id for run in runs],
        [run.epoch for run in runs],
        list(pauses),
    )
