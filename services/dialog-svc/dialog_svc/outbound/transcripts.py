"""Transcripts: inside the event when small, in object storage when large."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from asyncpg import Record

from chassis import tombstones
from chassis.objects import ObjectStore, tenant_prefix
from contracts.dialogs import InlineTranscript, StoredTranscript, TranscriptMessage


def folder_of(tenant: str, dialog_id: str) -> str:
    """Return the folder with all that is stored of a dialog: what is erased with it."""
    return f"{tenant_prefix(tenant)}transcripts/{tombstones.digest(tenant, dialog_id).hex()}/"


class TranscriptStore:
    """Turns stored messages into the transcript that an event carries; `inline_limit` in bytes."""

    def __init__(self, objects: ObjectStore, inline_limit: int) -> None:
        self._objects = objects
        self._inline_limit = inline_limit

    async def publishable(
        self, tenant: str, dialog_id: str, rows: Sequence[Record]
    ) -> InlineTranscript | StoredTranscript:
        """Return the transcript itself, or where it was stored."""
        transcript = InlineTranscript(messages=tuple(transcript_message(row) for row in rows))
        body = transcript.model_dump_json(exclude_none=True).encode()
        if len(body) <= self._inline_limit:
            return transcript
        # named by its content: writing it again after a rollback changes nothing
        key = f"{folder_of(tenant, dialog_id)}{hashlib.sha256(body).hexdigest()}.json"
        stored = await self._objects.put(key, body)
        return StoredTranscript(uri=stored.uri, sha256=stored.sha256, bytes=stored.bytes)


def transcript_message(row: Record) -> TranscriptMessage:
    """Return the message that a row holds."""
    return TranscriptMessage.model_validate({**row["message"], "agent_version": row["agent_version"]})
