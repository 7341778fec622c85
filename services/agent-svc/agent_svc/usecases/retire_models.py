"""Warn of models that end, and move their dialogs to the fallback on the day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from agent_svc.domain.gateway_errors import ProviderRefusalError
from agent_svc.domain.retirement import nearest, warning_due
from agent_svc.domain.routing import Place, place_of, places
from agent_svc.outbound import key_store, outage_store
from agent_svc.outbound import route_store as store
from agent_svc.outbound.chat import Models
from agent_svc.outbound.route_store import Entry, Head
from agent_svc.usecases.change_route import tell_route
from agent_svc.usecases.fail_over import NOBODY, take_out
from agent_svc.usecases.probe_targets import target_of
from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from chassis.errors import describe, where
from chassis.observability import log
from chassis.vault import Vault

ASK_EVERY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Retirements:
    """The calendar of models' ends, from the catalogue and from the providers, for all tenants."""

    database: Database
    vault: Vault
    catalogue: Catalogue
    models: Models
    today: Callable[[], date]

    async def run(self) -> bool:
        """Look at every agent once."""
        async with self.database.transaction() as transaction:
            agents = await store.agents_served(transaction.connection)
            known = await outage_store.dates(transaction.connection)
        failed = 0
        for row in agents:
            try:
                for place in await self._places(row):
                    await self._ask(row["tenant_id"], row["agent_id"], place, known)
            except Exception as error:  # what is wrong with one agent must not keep the others in the dark
                failed += 1
                log().error("retirement_not_asked", error=describe(error), at=where(error))
        for row in agents:
            try:
                async with self.database.transaction() as transaction:
                    await self._look_at(transaction, row)
            except Exception as error:
                failed += 1
                log().error("retirement_not_seen", error=describe(error), at=where(error))
        if failed:
            log().error("retirements_incomplete", failed=failed)
        return False

    async def _places(self, row: store.Row) -> list[Place]:
        """Return the models that an agent's route names, its fallback too; without a route its base model."""
        if row["desired"] is not None:
            fallback = row["desired"]["fallback"]
            return [*places(row["desired"]), *([place_of(fallback)] if fallback else [])]
        async with self.database.transaction() as transaction:
            keys = await key_store.keys_of(transaction.connection, row["tenant_id"], row["agent_id"])
        key = next((one for one in keys if one.provider == row["provider"]), None)
        return [Place(row["provider"], row["base_model"], key.key_id)] if key else []

    async def _ask(
        self,
        tenant: str,
        agent_id: str,
        place: Place,
        known: dict[tuple[str, str, str], tuple[date | None, datetime]],
    ) -> None:
        """Ask the provider for a model's end, once a day, outside any transaction while it answers."""
        slot = (tenant, place.provider, place.model)
        if slot in known and known[slot][1] > datetime.now(UTC) - ASK_EVERY:
            return
        async with self.database.transaction() as transaction:
            target = await target_of(
                transaction.connection, self.vault, self.catalogue, tenant, agent_id, place
            )
        if target is None:
            return
        try:
            ends = await self.models.end_of(target, place.model)
        except ProviderRefusalError:
            return  # asked again at the next turn; what was known stays
        known[slot] = (ends, datetime.now(UTC))
        async with self.database.transaction() as transaction:
            await outage_store.put_date(transaction.connection, *slot, ends)

    async def _look_at(self, transaction: Transaction, row: store.Row) -> None:
        tenant, agent_id = row["tenant_id"], row["agent_id"]
        head = await store.lock_route(transaction.connection, tenant, agent_id)
        named = await self._named(transaction, tenant, head, row)
        retiring = [
            {"model": place.model, "provider": place.provider, "on": ends.isoformat()}
            for ends, place in sorted((ends, place) for place, ends in named.items())
        ]
        if retiring != head.retiring:
            await store.put_retiring(transaction.connection, tenant, agent_id, retiring)
        for place, ends in named.items():
            if ends <= self.today():
                await take_out(
                    transaction, tenant=tenant, agent_id=agent_id, place=place, code="retired", pause=None
                )
            else:
                await self._warn(transaction, tenant, agent_id, place, ends)

    async def _named(
        self, transaction: Transaction, tenant: str, head: Head, row: store.Row
    ) -> dict[Place, date]:
        """Return the places that the agent's route names, with those ends that are known."""
        if head.desired is not None:
            fallback = head.desired["fallback"]
            asked = [*places(head.desired), *([place_of(fallback)] if fallback else [])]
        else:
            asked = [Place(row["provider"], row["base_model"], "")]
        found: dict[Place, date] = {}
        for place in asked:
            said = await outage_store.date_of(transaction.connection, tenant, place.provider, place.model)
            base = self.catalogue.base_model(place.provider, place.model)
            ends = nearest(said, base.shutdown if base else None)
            if ends is not None:
                found[place] = ends
        return found

    async def _warn(
        self,
        transaction: Transaction,
        tenant: str,
        agent_id: str,
        place: Place,
        ends: date,
    ) -> None:
        days = warning_due(ends, self.today())
        if days is None or not await outage_store.put_warning(
            transaction.connection,
            tenant=tenant,
            agent_id=agent_id,
            provider=place.provider,
            model=place.model,
            ends_on=ends,
            days=days,
        ):
            return
        head = await store.lock_route(transaction.connection, tenant, agent_id)
        entry = Entry(
            route_version=head.route_version,
            activation_id=head.activation_id,
            desired=head.desired,
            effective=head.effective,
            reason="retiring",
            by=NOBODY,
            why=f"ends_in_{days}_days",
        )
        await tell_route(transaction, tenant, agent_id, head, entry)


def shown(retiring: list[dict[str, Any]], today: date) -> list[dict[str, Any]]:
    """Return the calendar as the API shows it, with the days left."""
    return [one | {"days_left": (date.fromisoformat(one["on"]) - today).days} for one in retiring]
