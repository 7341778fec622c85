"""What comes in by Kafka: chat events, taken in batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.consumer import Fold
from chassis.database import Transaction
from chassis.envelope import AnyReceived
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.take_in_chat import take_in_chat


def chat_fold(transcripts: TranscriptStore) -> Fold:
    """Return the fold of chat.events."""

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        await take_in_chat(batch, transaction, transcripts)

    return fold
