"""What is done again and again: checking keys, keeping the vault in order, forgetting old answers."""

from __future__ import annotations

from agent_svc.outbound.function_answer_store import forget_old
from agent_svc.settings import AgentSettings
from agent_svc.usecases.check_keys import DAY, KeyChecks, tidy_vault
from chassis.leases import Worker
from chassis.vault import secrets_under_older_keys

AT_ONCE = 1_000


def workers(checks: KeyChecks, settings: AgentSettings) -> list[Worker]:
    """Return the workers of agent-svc. Keys are claimed one by one, so every process may check."""
    tidy = tidy_vault(
        checks.database, checks.vault, settings.old_key_days * DAY, settings.unused_key_days * DAY
    )

    async def forget() -> bool:
        async with checks.database.transaction() as transaction:
            gone = await forget_old(transaction.connection, settings.function_answer_days, AT_ONCE)
        return gone == AT_ONCE

    return [
        Worker("check-keys", checks.turn, every=settings.check_poll, stale_after=300.0),
        Worker(
            "tidy-vault",
            tidy,
            every=settings.tidy_every,
            leased=True,
            stale_after=600.0,
            gauges=[secrets_under_older_keys],
        ),
        Worker("forget-answers", forget, every=3600.0, leased=True, stale_after=7500.0),
    ]
