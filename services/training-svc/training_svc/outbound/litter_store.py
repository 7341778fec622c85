"""All SQL about the files that runs leave at their providers."""

from __future__ import annotations

from chassis.database import Connection
from training_svc.domain.run import Run
from training_svc.outbound.run_rows import read_run


async def claim(connection: Connection, lease_seconds: float, most_tries: int) -> tuple[Run, int] | None:
    """Take the ended run whose files are longest due to be deleted, with the number of this try.

    It comes again after `lease_seconds`, longer after each try, unless it is settled; after the last try
    it is left.
    """
    row = await connection.fetchrow(
        """
        UPDATE runs SET
            files_tries = files_tries + 1,
            files_until = CASE WHEN files_tries + 1 < $2 THEN clock_timestamp()
                + least(make_interval(secs => $1 * power(2, files_tries)), interval '1 day') END,
            files_state = CASE WHEN files_tries + 1 < $2 THEN files_state ELSE 'left' END
        WHERE (tenant_id, run_id) = (
            SELECT tenant_id, run_id FROM runs WHERE files_until <= now()
            ORDER BY files_until LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING *
        """,
        lease_seconds,
        most_tries,
    )
    return (read_run(row), row["files_tries"]) if row else None


async def settle(connection: Connection, run: Run) -> None:
    """Note that nothing of the run lies at the provider any more."""
    await connection.execute(
        "UPDATE runs SET files_state = 'deleted', files_until = NULL WHERE tenant_id = $1 AND run_id = $2",
        run.request.tenant,
        run.request.run_id,
    )
