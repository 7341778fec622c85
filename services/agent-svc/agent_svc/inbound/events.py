"""What comes in by Kafka: activations, what training showed of keys, what functions really answered."""

from __future__ import annotations

from agent_svc.usecases.activate_route import activate_route
from agent_svc.usecases.forget_dialog import forget_dialog
from agent_svc.usecases.note_function_answers import note_function_answers
from agent_svc.usecases.note_key import note_refusal, note_run
from agent_svc.usecases.note_trained import note_trained
from chassis.catalogue import Catalogue
from chassis.consumer import Consumer
from chassis.database import Transaction
from chassis.envelope import Received
from chassis.objects import ObjectStore
from contracts.dialogs import DialogCompleted, DialogErased
from contracts.training import KeyRefused, ModelActivated, TrainingStatus


async def on_model_activated(received: Received[ModelActivated], transaction: Transaction) -> None:
    """An owner wants models in service."""
    await activate_route(transaction, received.tenant, received.event)


async def on_dialog_erased(received: Received[DialogErased], transaction: Transaction) -> None:
    """The dialog must be forgotten."""
    await forget_dialog(transaction, received.tenant, received.event)


def consumers(catalogue: Catalogue, objects: ObjectStore) -> list[Consumer]:
    """Return what agent-svc does with each topic."""

    async def on_training_status(received: Received[TrainingStatus], transaction: Transaction) -> None:
        """Remember the run, what it shows of its key, and that a ready model is young."""
        at = received.event.checked_at or received.time
        await note_run(transaction, catalogue, received.tenant, received.event, at)
        if received.event.status == "ready":
            await note_trained(transaction, received.tenant, received.event, received.time)

    async def on_key_refused(received: Received[KeyRefused], transaction: Transaction) -> None:
        """The provider refused the key."""
        await note_refusal(transaction, catalogue, received.tenant, received.event)

    async def on_dialog_completed(received: Received[DialogCompleted], transaction: Transaction) -> None:
        """Remember what functions really answered."""
        await note_function_answers(transaction, objects, received.tenant, received.event)

    return [
        Consumer.of("model.activated", {ModelActivated: on_model_activated}),
        Consumer.of("training.status", {TrainingStatus: on_training_status, KeyRefused: on_key_refused}),
        Consumer.of(
            "dialog.completed", {DialogCompleted: on_dialog_completed, DialogErased: on_dialog_erased}
        ),
    ]
