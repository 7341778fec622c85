"""Register a model that was made elsewhere, so that it can be put into service like any other."""

from __future__ import annotations

from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Transaction
from training_svc.domain.errors import model_known, no_agent, no_key, no_run, provider_answers_nothing
from training_svc.outbound import agent_store, model_store, run_store
from training_svc.outbound.model_store import Model


async def register_model(
    transaction: Transaction,
    *,
    tenant: str,
    subject: str,
    catalogue: Catalogue,
    agent_id: str,
    provider: str,
    model: str,
    base_model: str | None,
    run_id: str | None,
) -> str:
    """Store the model and return its id; `run_id` is the run whose file it was made of.

    Raises a 404 Problem for an unknown agent or run, a 409 without a key or when the name is known, a 422 for
    a provider that cannot answer.
    """
    connection = transaction.connection
    agent = await agent_store.get_agent(connection, tenant, agent_id)
    if agent is None:
        raise no_agent()
    entry = catalogue.provider(provider)
    if entry is None or entry.protocol == "file":
        raise provider_answers_nothing()
    run = await run_store.get(connection, tenant, run_id) if run_id else None
    if run_id and (run is None or run.request.agent_id != agent_id):
        raise no_run()
    key = agent.key_for(provider)
    if key is None:
        raise no_key()
    made_from = base_model or catalogue.base_name(provider, model)
    registered = Model(
        str(uuid7()), agent_id, "registered", provider, model, made_from, key["key_id"], run_id,
        None, None, datetime.now(UTC),
    )  # fmt: skip
    if not await model_store.register(connection, tenant, registered):
        raise model_known()
    await audit.record(
        connection,
        tenant=tenant,
        subject=subject,
        action="model_registered",
        object_id=registered.model_id,
        agent_id=agent_id,
        model=model,
    )
    return registered.model_id
