"""Remember what a check, a training run or a refusal showed of a key, and tell everyone when that is news."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from agent_svc.domain.key import Key, Probe, after_probe
from agent_svc.outbound import key_store, run_store
from agent_svc.usecases.publish_agent import publish_agents_of, standing_now, told_of
from chassis.catalogue import Catalogue
from chassis.database import Transaction
from contracts.training import KeyRefused, TrainingStatus

REFUSES_ACCOUNT = frozenset({"training_not_available", "country_not_supported"})
REFUSES_KEY = frozenset({"key_refused", "key_invalid"})


async def note_run(
    transaction: Transaction, catalogue: Catalogue, tenant: str, event: TrainingStatus, at: datetime
) -> None:
    """A job that was accepted proves that its key can train; a refusal of the account, that it cannot."""
    news = await run_store.note_run(transaction.connection, tenant, event)
    key = await key_store.lock_key(transaction.connection, tenant, event.key_id)
    if key is None:
        return
    if news.job:
        proven = replace(key, training="yes", because=None, missing_scope=None, since=at)
        await _keep(transaction, catalogue, tenant, key, proven, at)
    elif news.refusal and event.error is not None and event.error.code in REFUSES_ACCOUNT:
        refused = replace(key, training="no", because=event.error.code, missing_scope=None, since=at)
        await _keep(transaction, catalogue, tenant, key, refused, at)


async def note_refusal(
    transaction: Transaction, catalogue: Catalogue, tenant: str, event: KeyRefused
) -> None:
    """The provider refused a version of a key; one that has been replaced since says nothing of today's."""
    key = await key_store.lock_key(transaction.connection, tenant, event.key_id)
    if key is None or key.version != event.version:
        return
    refused = replace(
        key, training="no", because=event.code, missing_scope=event.param, since=event.at,
        infer="no" if event.code in REFUSES_KEY else key.infer,
    )  # fmt: skip
    await _keep(transaction, catalogue, tenant, key, refused, event.at)


async def note_unauthorized(
    transaction: Transaction, catalogue: Catalogue, tenant: str, key_id: str, version: int
) -> None:
    """A provider just answered 401 to this version of a key, wherever that was seen."""
    now = await key_store.database_time(transaction.connection)
    event = KeyRefused(key_id=key_id, version=version, code="key_refused", at=now)
    known = await key_store.get_key(transaction.connection, tenant, key_id)
    if known is not None and known.because != "key_refused":
        await note_refusal(transaction, catalogue, tenant, event)


async def note_probe(
    transaction: Transaction,
    catalogue: Catalogue,
    *,
    tenant: str,
    seen: Key,
    probe: Probe,
    now: datetime,
    by_hand: bool = False,
) -> Key:
    """Keep what a check found, unless the key was replaced while it ran; returns what is known now."""
    key = await key_store.lock_key(transaction.connection, tenant, seen.key_id)
    if key is None or key.version != seen.version:
        return key or seen
    return await _keep(
        transaction, catalogue, tenant, key, after_probe(key, probe, now, by_hand=by_hand), now
    )


async def _keep(
    transaction: Transaction, catalogue: Catalogue, tenant: str, before: Key, after: Key, now: datetime
) -> Key:
    """Write what is known and publish it when it says something else than before."""
    if after != before:
        await key_store.update_key(transaction.connection, tenant, after)
    said, says = (told_of(one, standing_now(one, catalogue, now)) for one in (before, after))
    if said != says:
        await publish_agents_of(transaction, catalogue, tenant, after.key_id, now)
    return after
