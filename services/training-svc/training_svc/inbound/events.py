"""What comes in by Kafka: topic → handler. No handler calls a provider."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.database import Transaction
from chassis.envelope import Received
from contracts.agents import AgentRouted, AgentUpdated
from contracts.datasets import DatasetReady, DatasetWithdrawn
from training_svc.outbound import agent_store
from training_svc.usecases.start_run import StartRun
from training_svc.usecases.withdraw_version import withdraw_version


async def on_agent_updated(received: Received[AgentUpdated], transaction: Transaction) -> None:
    """Remember the agent's keys and base model."""
    await agent_store.put_agent(transaction.connection, received.tenant, received.event, received.sequence)


async def on_agent_routed(received: Received[AgentRouted], transaction: Transaction) -> None:
    """Remember what serves the agent."""
    await agent_store.put_route(transaction.connection, received.tenant, received.event, received.sequence)


def consumers(start_run: StartRun) -> list[Consumer]:
    """Return what training-svc does with each topic."""
    return [
        Consumer.of("dataset.ready", {DatasetReady: start_run, DatasetWithdrawn: withdraw_version}),
        Consumer.of("agent.updated", {AgentUpdated: on_agent_updated}),
        Consumer.of("agent.routed", {AgentRouted: on_agent_routed}),
    ]
