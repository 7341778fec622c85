"""Delete what ended runs left at their providers, once its time is over; also after refusals."""

from __future__ import annotations

from dataclasses import dataclass

from chassis import observability as seen
from chassis.database import Database
from chassis.errors import describe
from training_svc.domain.errors import NoAnswerError, ProviderError
from training_svc.domain.run import file_prefix
from training_svc.outbound import litter_store
from training_svc.outbound.accounts import Accounts
from training_svc.usecases.upload_files import remove_files

MOST_TRIES = 16
"""With pauses that double from the lease to a day: tries over about a week."""


@dataclass(frozen=True, slots=True)
class Tidier:
    """Deletes one run's files a turn; the claim of the row is the lease."""

    database: Database
    accounts: Accounts
    lease_seconds: float

    async def turn(self) -> bool:
        """Delete the files of one run; False when none is due."""
        async with self.database.transaction() as transaction:
            found = await litter_store.claim(transaction.connection, self.lease_seconds, MOST_TRIES)
        if found is None:
            return False
        run, tries = found
        try:
            provider = await self.accounts.open(run)
            await remove_files(run, provider)
            if await provider.files(file_prefix(run)):
                raise NoAnswerError("files_still_there")
        except ProviderError as error:
            seen.log().warning(
                "files_not_deleted", run_id=run.request.run_id, tries=tries, error=describe(error)
            )
            return True
        async with self.database.transaction() as transaction:
            await litter_store.settle(transaction.connection, run)
        return True
