"""Take a batch of chat events in: fold it per dialog in memory, then one statement a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from prometheus_client import Counter

from chassis.database import Connection, Transaction
from chassis.envelope import AnyReceived
from contracts.chat import ChatMessage, DialogEnded, DialogRatedInChat, MessagePosted
from dialog_svc.domain.dialog import Dialog, Node, Post, Rating
from dialog_svc.domain.retention import Retention
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.clock_store import note_clocks
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.publish_dialog import publish_dialogs

dropped = Counter("mortarboard_erased_events_total", "Chat events dropped because their dialog was erased")
Slot = tuple[str, str]
Groups = Mapping[Slot, Sequence[AnyReceived]]


async def take_in_chat(
    batch: Sequence[AnyReceived], transaction: Transaction, transcripts: TranscriptStore, retention: Retention
) -> None:
    """Give the events of a batch their effect, each dialog's in partition order."""
    groups: dict[Slot, list[AnyReceived]] = {}
    for received in batch:
        groups.setdefault((received.tenant, received.event.dialog_id), []).append(received)
    dialogs = await _place_messages(groups, transaction.connection, retention)
    await publish_dialogs(transaction, transcripts, [one for one in dialogs if one.happened])
    await store.update_dialogs(transaction.connection, dialogs)
    await note_clocks(transaction.connection, _newest(batch))


def _newest(batch: Sequence[AnyReceived]) -> dict[int, datetime]:
    newest: dict[int, datetime] = {}
    for received in batch:
        seen, heard = newest.get(received.partition), _heard(received)
        if seen is None or heard > seen:
            newest[received.partition] = heard
    return newest


def _heard(received: AnyReceived) -> datetime:
    """Return the event's ce_time, but none after the broker took it: no producer's clock turns ours on."""
    return min(received.time, received.appended)


async def _place_messages(groups: Groups, connection: Connection, retention: Retention) -> list[Dialog]:
    """Store the messages at their places and return the dialogs after the batch.

    Nearly always all messages are new, so nobody asks which are known: when a redelivered one is
    refused by its key, what was done is taken back and done again with the answer.
    """
    try:
        async with connection.transaction():
            return await _fold_and_insert(groups, connection, retention, _replaced(groups))
    except store.KnownMessageError:
        return await _fold_and_insert(groups, connection, retention, _mentioned(groups))


async def _fold_and_insert(
    groups: Groups, connection: Connection, retention: Retention, asked: Iterable[store.Leaf]
) -> list[Dialog]:
    def make(slot: Slot) -> Dialog:
        dialog = _first_seen(slot, groups[slot])
        dialog.keep_days = retention.days(dialog.tenant, dialog.agent_id)
        return dialog

    dialogs = await store.lock_dialogs(connection, groups, make)
    known = await store.known_messages(connection, asked)
    changed, met = [dialogs[slot] for slot in groups if slot in dialogs], []
    for slot, events in groups.items():
        dialog = dialogs.get(slot)
        if dialog is None:  # erased
            dropped.inc(len(events))
            continue
        before = dialog.facts
        _fold(dialog, events, known.get(slot, {}))
        if dialog.facts != before:
            dialog.keep_days = retention.days(dialog.tenant, dialog.agent_id)
            met.append(dialog)
    await store.put_facts(connection, met)
    await store.insert_messages(connection, changed)
    return changed


def _first_seen(slot: Slot, events: Sequence[AnyReceived]) -> Dialog:
    """Return the dialog as its first event here would create it; a message knows most of it."""
    best = next((one for one in events if isinstance(one.event, MessagePosted)), events[0])
    event, at = best.event, best.time
    if isinstance(event, MessagePosted):
        made = Dialog(*slot, event.agent_id, event.source, event.message.at, at)
        made.know(event.agent_id, event.source, event.channel, _client(event))
        return made
    agent_id = getattr(event, "agent_id", "")
    return Dialog(*slot, agent_id, "live", at, at)


def _replaced(groups: Groups) -> list[tuple[str, str, str]]:
    """Return the messages whose place must be known to replace or follow them."""
    return [
        (*slot, named)
        for slot, events in groups.items()
        for one in events
        if isinstance(one.event, MessagePosted)
        for named in (one.event.replaces, one.event.after)
        if named
    ]


def _mentioned(groups: Groups) -> list[tuple[str, str, str]]:
    posted = [
        (*slot, one.event.message.id)
        for slot, events in groups.items()
        for one in events
        if isinstance(one.event, MessagePosted)
    ]
    return posted + _replaced(groups)


def _fold(dialog: Dialog, events: Sequence[AnyReceived], nodes: dict[str, Node]) -> None:
    for received in events:
        event = received.event
        if isinstance(event, MessagePosted):
            if dialog.leaf is None:
                dialog.know(event.agent_id, event.source, event.channel, _client(event))
            node = dialog.post(_post(event), nodes)
            if node is not None:
                nodes[node.id] = node
                dialog.hear(received.partition, _heard(received))
        elif isinstance(event, DialogEnded):
            dialog.agent_id = dialog.agent_id or event.agent_id
            dialog.end(event.outcome, event.at)
        elif isinstance(event, DialogRatedInChat):
            dialog.rate(Rating(event.message_id, event.rating, event.by, event.comment))


def _client(event: MessagePosted) -> str | None:
    return event.client.pseudonym if event.client else None


def _post(event: MessagePosted) -> Post:
    message = event.message
    return Post(
        message.id, message.role, message.at, event.agent_version, _stored(message), event.replaces,
        event.after,
    )  # fmt: skip


def _stored(message: ChatMessage) -> str:
    """Return the message's JSON for PostgreSQL, which holds every character but U+0000."""
    text = message.model_dump_json(exclude_none=True)
    if "\\u0000" in text:
        # an escaped backslash before "u0000" is text about the character, not the character
        text = text.replace("\\\\", "\ue000").replace("\\u0000", "\ufffd").replace("\ue000", "\\\\")
    return text
