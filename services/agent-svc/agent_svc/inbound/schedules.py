"""What is done again and again: checking keys, keeping the vault in order."""

from __future__ import annotations

from agent_svc.settings import AgentSettings
from agent_svc.usecases.check_keys import DAY, KeyChecks, tidy_vault
from chassis.leases import Worker


def workers(checks: KeyChecks, settings: AgentSettings) -> list[Worker]:
    """Return the workers of agent-svc. Keys are claimed one by one, so every process may check."""
    tidy = tidy_vault(
        checks.database, checks.vault, settings.old_key_days * DAY, settings.unused_key_days * DAY
    )
    return [
        Worker("check-keys", checks.turn, every=settings.check_poll, stale_after=300.0),
        Worker("tidy-vault", tidy, every=settings.tidy_every, leased=True, stale_after=600.0),
    ]
