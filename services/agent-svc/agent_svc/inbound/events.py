"""What comes in by Kafka: activations, and what training showed of keys."""

from __future__ import annotations

from agent_svc.usecases.activate_route import activate_route
from agent_svc.usecases.note_key import note_training
from agent_svc.usecases.note_trained import note_trained
from chassis.consumer import Handlers
from chassis.database import Transaction
from chassis.envelope import Received
from contracts.training import KeyRefused, ModelActivated, TrainingStatus


async def on_model_activated(received: Received[ModelActivated], transaction: Transaction) -> None:
    """An owner wants models in service."""
    await activate_route(transaction, received.tenant, received.event)


async def on_training_status(received: Received[TrainingStatus], transaction: Transaction) -> None:
    """An accepted job proves that its key can train, a refusal that it cannot; ready models are young."""
    event = received.event
    if event.status == "ready":
        await note_trained(transaction, received.tenant, event, received.time)
    if event.provider_job_id is not None:
        await note_training(
            transaction, tenant=received.tenant, key_id=event.key_id, training="yes", because=None
        )
    elif event.error is not None and event.error.code == "training_not_available":
        await note_training(
            transaction, tenant=received.tenant, key_id=event.key_id, training="no", because=event.error.code
        )


async def on_key_refused(received: Received[KeyRefused], transaction: Transaction) -> None:
    """The provider refused the key."""
    event = received.event
    await note_training(
        transaction, tenant=received.tenant, key_id=event.key_id, training="no", because=event.code
    )


MODEL_ACTIVATED: Handlers = {ModelActivated: on_model_activated}
TRAINING_STATUS: Handlers = {TrainingStatus: on_training_status, KeyRefused: on_key_refused}
