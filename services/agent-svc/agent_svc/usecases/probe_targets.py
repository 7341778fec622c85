"""Ask targets that are out whether they answer again; two answers in a row bring one back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson

from agent_svc.domain.gateway_errors import ProviderRefusalError
from agent_svc.domain.routing import Place
from agent_svc.outbound import key_store, outage_store
from agent_svc.outbound.chat import Models, Target, target_at
from agent_svc.usecases.fail_over import bring_back
from chassis.catalogue import Catalogue
from chassis.database import Connection, Database
from chassis.vault import SecretId, Vault

AT_ONCE = 20
PATIENCE = 10.0
LONGEST_PAUSE = 300.0
QUESTION = [{"role": "user", "content": "ping"}]


@dataclass(frozen=True, slots=True)
class Prober:
    """Probes outages of all tenants; `pause` seconds between two probes, `enough` answers end an outage."""

    database: Database
    vault: Vault
    catalogue: Catalogue
    models: Models
    pause: float
    enough: int

    async def run(self) -> bool:
        """Probe what is due; returns whether there may be more. Outside any transaction while it asks."""
        async with self.database.transaction() as transaction:
            due = await outage_store.claim_due(transaction.connection, AT_ONCE)
        await asyncio.gather(*(self._probe(row) for row in due))
        return len(due) == AT_ONCE

    async def _probe(self, row: outage_store.Row) -> None:
        tenant, agent_id = row["tenant_id"], row["agent_id"]
        place = Place(row["provider"], row["model"], str(row["key_id"]))
        async with self.database.transaction() as transaction:
            target = await target_of(
                transaction.connection, self.vault, self.catalogue, tenant, agent_id, place
            )
        passed = target is not None and await answers(self.models, target, place.model)
        async with self.database.transaction() as transaction:
            in_a_row = await outage_store.note_probe(
                transaction.connection,
                tenant=tenant,
                agent_id=agent_id,
                place=place,
                since=row["since"],
                passed=passed,
                pause=self.pause,
                longest=LONGEST_PAUSE,
            )
        if in_a_row >= self.enough:
            async with self.database.transaction() as transaction:
                await bring_back(transaction, tenant=tenant, agent_id=agent_id, place=place)


async def target_of(
    connection: Connection, vault: Vault, catalogue: Catalogue, tenant: str, agent_id: str, place: Place
) -> Target | None:
    """Return where a place is asked, and by the key that the agent has there now; None without."""
    keys = await key_store.keys_of(connection, tenant, agent_id)
    key = next((one for one in keys if one.provider == place.provider), None)
    if key is None:
        return None
    secret = await vault.get(connection, SecretId(tenant, key.key_id, key.version))
    return target_at(catalogue, place.provider, secret, key.variables) if secret else None


async def answers(models: Models, target: Target, model: str) -> bool:
    """Tell whether the model answers the shortest of questions; one that finds fault with it answers too."""
    body = orjson.dumps({"model": model, "messages": QUESTION, "max_tokens": 1})
    try:
        answer = await models.ask(target, body, streamed=False, patience=PATIENCE)
    except ProviderRefusalError as refusal:
        return refusal.kind == "rejected"
    answer.close()
    return True
