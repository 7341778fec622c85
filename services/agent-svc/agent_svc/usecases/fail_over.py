"""When a target fails, the fallback stands in for it until the target answers again.

An overlay on the route: what the owner wants stays, only what serves changes. It is kept with the route, so
that all instances agree.
"""

from __future__ import annotations

import asyncio
import time

from agent_svc.domain.breaker import Breaker
from agent_svc.domain.gateway_errors import ProviderRefusalError
from agent_svc.domain.routing import Place, may_fail_over, with_fallback
from agent_svc.outbound import outage_store
from agent_svc.outbound import route_store as store
from agent_svc.outbound.route_store import Entry, Head
from agent_svc.usecases.change_route import change_route
from agent_svc.usecases.note_key import note_unauthorized
from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from chassis.errors import describe
from chassis.observability import log

CODES = {"gone": "model_gone", "key_refused": "key_refused", "unavailable": "provider_unavailable"}
NOBODY = "agent-svc"


async def take_out(
    transaction: Transaction, *, tenant: str, agent_id: str, place: Place, code: str, pause: float | None
) -> bool:
    """Let the fallback stand in for `place`; returns whether that changes anything.

    The provider is asked again after `pause` seconds; without, the target is out for good (retired).
    """
    connection = transaction.connection
    head = await store.lock_route(connection, tenant, agent_id)
    if not may_fail_over(head.desired, place):
        return False
    new = await outage_store.put_outage(
        connection, tenant=tenant, agent_id=agent_id, place=place, code=code, pause=pause
    )
    if not new:
        if pause is None:
            await outage_store.retire(connection, tenant, agent_id, place)
        return False
    reason = "failed_over" if pause is not None else "retired"
    await _overlay(transaction, tenant, agent_id, head, reason=reason, why=code)
    return True


async def bring_back(transaction: Transaction, *, tenant: str, agent_id: str, place: Place) -> None:
    """Let a target serve again that answered its probes."""
    head = await store.lock_route(transaction.connection, tenant, agent_id)
    if await outage_store.delete_outages(transaction.connection, tenant, agent_id, place):
        await _overlay(transaction, tenant, agent_id, head, reason="recovered", why=None)


async def _overlay(
    transaction: Transaction, tenant: str, agent_id: str, head: Head, *, reason: str, why: str | None
) -> None:
    out = await outage_store.out_of(transaction.connection, tenant, agent_id)
    entry = Entry(
        route_version=head.route_version,
        activation_id=head.activation_id,
        desired=head.desired,
        effective=with_fallback(head.desired, out),
        reason=reason,
        by=NOBODY,
        why=why,
    )
    await change_route(transaction, tenant, agent_id, head, entry)


class Failures:
    """What this process saw of targets: takes those out that are gone, refused, or fail again and again."""

    def __init__(
        self, database: Database, catalogue: Catalogue, breaker: Breaker, *, warming: float, pause: float
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._breaker = breaker
        self._warming = warming
        self._pause = pause
        self._noting: dict[tuple[object, ...], asyncio.Task[None]] = {}

    def answered(self, tenant: str, agent_id: str, place: Place) -> None:
        """The target answered."""
        self._breaker.answered((tenant, agent_id, place))

    def failed(self, tenant: str, agent_id: str, place: Place, refusal: ProviderRefusalError) -> None:
        """The target failed; when that is enough, the fallback takes over (in the background)."""
        slot = (tenant, agent_id, place)
        if refusal.kind == "unavailable" and not self._breaker.failed(slot, time.monotonic()):
            return
        if slot not in self._noting:
            task = asyncio.create_task(self._note(tenant, agent_id, place, refusal))
            self._noting[slot] = task
            task.add_done_callback(lambda _: self._noting.pop(slot, None))

    def unauthorized(self, tenant: str, key_id: str, version: int) -> None:
        """The provider does not take this version of a key; that becomes known of it (in the background)."""
        slot = (tenant, key_id, version)
        if slot not in self._noting:
            task = asyncio.create_task(self._note_key(tenant, key_id, version))
            self._noting[slot] = task
            task.add_done_callback(lambda _: self._noting.pop(slot, None))

    async def _note_key(self, tenant: str, key_id: str, version: int) -> None:
        try:
            async with self._database.tenant_transaction(tenant) as transaction:
                await note_unauthorized(transaction, self._catalogue, tenant, key_id, version)
        except Exception as error:
            log().error("key_not_noted", error=describe(error))

    async def _note(self, tenant: str, agent_id: str, place: Place, refusal: ProviderRefusalError) -> None:
        try:
            async with self._database.tenant_transaction(tenant) as transaction:
                young = refusal.kind != "key_refused" and await outage_store.is_young(
                    transaction.connection, tenant, place, self._warming
                )
                if young:  # warming up: the fallback answers each request, the route stays
                    log().info("model_warming", status=refusal.status)
                    return
                await take_out(
                    transaction,
                    tenant=tenant,
                    agent_id=agent_id,
                    place=place,
                    code=CODES[refusal.kind],
                    pause=self._pause,
                )
        except Exception as error:
            log().error("failover_failed", error=describe(error))

    async def drain(self) -> None:
        """Wait for what is being noted."""
        await asyncio.gather(*self._noting.values(), return_exceptions=True)
