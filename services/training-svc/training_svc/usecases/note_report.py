"""A provider reports the end of a job: its run is due now, and what else the report says is not believed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from chassis.database import Database
from chassis.vault import SecretId, Vault
from training_svc.domain.errors import bad_report, report_not_signed
from training_svc.outbound import webhook_store
from training_svc.outbound.signature import is_signed

MOST_ID = 256


async def note_report(
    database: Database, vault: Vault, *, provider: str, hook_id: str, headers: Mapping[str, str], body: bytes
) -> int:
    """Make the runs of the reported job due; returns how many, 0 for a report that came before.

    `headers` in lower case. Raises a 401 Problem for an unknown address, a missing secret and a wrong
    signature alike, and a 422 Problem for a signed body that names no job.
    """
    async with database.tenant_connection() as connection:
        webhook = await webhook_store.find(connection, hook_id)
    if webhook is None or webhook.sealed is None or webhook.provider != provider:
        raise report_not_signed()
    secret = vault.open(SecretId(webhook.tenant, hook_id, webhook.version), webhook.sealed)
    if not await is_signed(body, headers, secret):
        raise report_not_signed()
    job_id = _job_id(body)
    async with database.tenant_transaction(webhook.tenant) as transaction:
        report_id = headers["webhook-id"][:MOST_ID]
        if not await webhook_store.note_report(transaction.connection, webhook, report_id):
            return 0
        return await webhook_store.make_due(transaction.connection, webhook.tenant, provider, job_id)


def _job_id(body: bytes) -> str:
    try:
        job_id = json.loads(body)["data"]["id"]
    except (ValueError, KeyError, TypeError):
        raise bad_report() from None
    if not isinstance(job_id, str) or not 1 <= len(job_id) <= MOST_ID or "\x00" in job_id:
        raise bad_report()
    return job_id
