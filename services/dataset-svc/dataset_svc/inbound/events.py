"""What comes in by Kafka: dialogs, agents, what became of runs, and what serves."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.database import Transaction
from chassis.envelope import Received
from chassis.objects import ObjectStore
from contracts.agents import AgentRouted, AgentUpdated
from contracts.dialogs import DialogCompleted, DialogErased, DialogRated
from contracts.event import Event
from contracts.training import TrainingStatus
from dataset_svc.usecases.note_route import note_route
from dataset_svc.usecases.note_run import note_run
from dataset_svc.usecases.take_agent import take_agent
from dataset_svc.usecases.take_in_dialogs import dialog_fold

DIALOG_EVENTS: frozenset[type[Event]] = frozenset({DialogCompleted, DialogRated, DialogErased})


async def on_agent_updated(received: Received[AgentUpdated], transaction: Transaction) -> None:
    """Keep the agent's version; its dataset is there from now on."""
    await take_agent(transaction, tenant=received.tenant, agent=received.event.model_dump(mode="json"))


async def on_training_status(received: Received[TrainingStatus], transaction: Transaction) -> None:
    """Note what became of a run, and which models it made."""
    await note_run(transaction, tenant=received.tenant, run=received.event, at=received.time)


async def on_agent_routed(received: Received[AgentRouted], transaction: Transaction) -> None:
    """Note what serves the agent."""
    await note_route(transaction, tenant=received.tenant, routed=received.event, at=received.time)


def consumers(objects: ObjectStore) -> list[Consumer]:
    """Return what dataset-svc does with each topic it reads."""
    return [
        Consumer("dialog.completed", DIALOG_EVENTS, dialog_fold(objects)),
        Consumer.of("agent.updated", {AgentUpdated: on_agent_updated}),
        Consumer.of("training.status", {TrainingStatus: on_training_status}),
        Consumer.of("agent.routed", {AgentRouted: on_agent_routed}),
    ]
