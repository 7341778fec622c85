"""What comes in by Kafka: chat events batch by batch, agents, what is in the dataset."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.consumer import Fold
from chassis.database import Transaction
from chassis.envelope import AnyReceived, Received
from contracts.agents import AgentUpdated
from contracts.dialogs import DialogForgotten
from dialog_svc.domain.retention import Retention
from dialog_svc.outbound.clock_store import upsert_agent
from dialog_svc.outbound.erasure_store import put_report
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.take_in_chat import take_in_chat


def chat_fold(transcripts: TranscriptStore, retention: Retention) -> Fold:
    """Return the fold of chat.events."""

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        await take_in_chat(batch, transaction, transcripts, retention)

    return fold


async def on_agent_updated(received: Received[AgentUpdated], transaction: Transaction) -> None:
    """Keep how long an agent's dialogs may be silent."""
    event = received.event
    await upsert_agent(
        transaction.connection, received.tenant, event.agent_id, event.version, event.idle_seconds
    )


async def on_dialog_forgotten(received: Received[DialogForgotten], transaction: Transaction) -> None:
    """Add to the record of an erasure what a service says it did."""
    await put_report(transaction.connection, received.tenant, received.event)
