"""Take a batch of chat events in: fold it per dialog in memory, then one statement a kind."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Transaction
from chassis.envelope import AnyReceived
from contracts.chat import ChatMessage, DialogEnded, DialogRatedInChat, MessagePosted
from contracts.dialogs import DialogRated
from dialog_svc.domain.dialog import Dialog, Node, Post
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.publish_transcript import publish_transcript

Slot = tuple[str, str]


async def take_in_chat(
    batch: Sequence[AnyReceived], transaction: Transaction, transcripts: TranscriptStore
) -> None:
    """Give the events of a batch their effect, each dialog's in partition order."""
    groups: dict[Slot, list[AnyReceived]] = {}
    for received in batch:
        groups.setdefault((received.tenant, received.event.dialog_id), []).append(received)
    dialogs = await store.lock_dialogs(
        transaction.connection, [_first_seen(slot, events) for slot, events in groups.items()]
    )
    known = await store.known_messages(transaction.connection, _mentioned(batch))
    for slot, events in groups.items():
        nodes = known.setdefault(slot, {})
        for received in events:
            await _fold(dialogs[slot], received, nodes, transaction)
    changed = [dialogs[slot] for slot in groups]
    await store.insert_messages(transaction.connection, changed)
    await _complete(changed, transaction, transcripts)
    await store.update_dialogs(transaction.connection, changed)


def _first_seen(slot: Slot, events: Sequence[AnyReceived]) -> Dialog:
    """Return the dialog as its first event here would create it; a message knows most of it."""
    best = next((one for one in events if isinstance(one.event, MessagePosted)), events[0])
    event, at = best.event, best.time
    if isinstance(event, MessagePosted):
        client = event.client.pseudonym if event.client else None
        return Dialog(
            *slot, event.agent_id, event.source, event.message.at, at, channel=event.channel, client=client
        )
    agent_id = getattr(event, "agent_id", "")
    return Dialog(*slot, agent_id, "live", at, at)


def _mentioned(batch: Sequence[AnyReceived]) -> list[tuple[str, str, str]]:
    found = []
    for received in batch:
        event = received.event
        if isinstance(event, MessagePosted):
            found.append((received.tenant, event.dialog_id, event.message.id))
            if event.replaces:
                found.append((received.tenant, event.dialog_id, event.replaces))
    return found


async def _fold(
    dialog: Dialog, received: AnyReceived, nodes: dict[str, Node], transaction: Transaction
) -> None:
    event = received.event
    if isinstance(event, MessagePosted):
        if not dialog.agent_id:
            dialog.agent_id = event.agent_id
        node = dialog.post(_post(event), nodes)
        if node is not None:
            nodes[node.id] = node
    elif isinstance(event, DialogEnded):
        dialog.end(event.outcome, event.at)
    elif isinstance(event, DialogRatedInChat):
        await _rate(dialog, event, transaction)


def _post(event: MessagePosted) -> Post:
    message = event.message
    return Post(message.id, message.role, message.at, event.agent_version, _stored(message), event.replaces)


def _stored(message: ChatMessage) -> str:
    """Return the message's JSON for PostgreSQL, which holds every character but U+0000."""
    text = message.model_dump_json(exclude_none=True)
    if "\\u0000" in text:
        # an escaped backslash before "u0000" is text about the character, not the character
        text = text.replace("\\\\", "\ue000").replace("\\u0000", "\ufffd").replace("\ue000", "\\\\")
    return text


async def _rate(dialog: Dialog, event: DialogRatedInChat, transaction: Transaction) -> None:
    if event.message_id is None:
        dialog.rating = event.rating
    await store.upsert_rating(
        transaction.connection,
        tenant=dialog.tenant,
        dialog_id=dialog.id,
        message_id=event.message_id,
        rater=event.by,
        rating=event.rating,
        comment=event.comment,
    )
    transaction.publish(
        DialogRated(
            dialog_id=dialog.id,
            revision=max(dialog.revision, 1),
            message_id=event.message_id,
            rating=event.rating,
            by=event.by,
        ),
        tenant=dialog.tenant,
    )


async def _complete(
    changed: Sequence[Dialog], transaction: Transaction, transcripts: TranscriptStore
) -> None:
    ended = [dialog for dialog in changed if dialog.completions]
    if not ended:
        return
    slots = [(dialog.tenant, dialog.id) for dialog in ended]
    rows = await store.all_messages(transaction.connection, slots)
    published = await store.published_revisions(transaction.connection, slots)
    for dialog in ended:
        for completion in dialog.completions:
            await publish_transcript(
                transaction, transcripts, dialog, completion, rows[dialog.tenant, dialog.id], published
            )
