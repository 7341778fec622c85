"""What comes in by Kafka: dialogs, agents, and what became of runs."""

from __future__ import annotations

from uuid import UUID

from chassis.consumer import Consumer
from chassis.database import Transaction
from chassis.envelope import Received
from chassis.objects import ObjectStore
from contracts.agents import AgentUpdated
from contracts.dialogs import DialogCompleted, DialogErased, DialogRated
from contracts.event import Event
from contracts.training import TrainingStatus
from dataset_svc.domain.training import FINAL
from dataset_svc.outbound import run_store
from dataset_svc.usecases.take_agent import take_agent
from dataset_svc.usecases.take_in_dialogs import dialog_fold

DIALOG_EVENTS: frozenset[type[Event]] = frozenset({DialogCompleted, DialogRated, DialogErased})


async def on_agent_updated(received: Received[AgentUpdated], transaction: Transaction) -> None:
    """Keep the agent's version; its dataset is there from now on."""
    await take_agent(transaction, tenant=received.tenant, agent=received.event.model_dump(mode="json"))


async def on_training_status(received: Received[TrainingStatus], transaction: Transaction) -> None:
    """Note what became of a run, so that the same training may be asked for again."""
    status = received.event.status
    await run_store.set_status(
        transaction.connection, received.tenant, UUID(received.event.run_id), status, final=status in FINAL
    )


def consumers(objects: ObjectStore) -> list[Consumer]:
    """Return what dataset-svc does with each topic it reads."""
    return [
        Consumer("dialog.completed", DIALOG_EVENTS, dialog_fold(objects)),
        Consumer.of("agent.updated", {AgentUpdated: on_agent_updated}),
        Consumer.of("training.status", {TrainingStatus: on_training_status}),
    ]
