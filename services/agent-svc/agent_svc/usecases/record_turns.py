"""Record what was said to chat.events: each request's new messages and its answer, in order of arrival."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_svc.domain import recording
from agent_svc.domain.recording import Message
from agent_svc.outbound import turn_store as store
from agent_svc.outbound.turn_store import Recorded
from chassis import tombstones
from chassis.database import Database, Transaction
from chassis.errors import Permanent
from chassis.observability import log
from contracts.chat import ChatMessage, MessagePosted

AUTHORS = {"user": "client", "assistant": "model"}
FIELDS = ("role", "content", "tool_calls", "tool_call_id", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A request and its answer, as far as it came. `number` is its turn in the dialog, None without rivals.

    One that `counts` not, because it was refused or somebody else records it, only gives its turn up.
    """

    tenant: str
    dialog_id: str
    agent_id: str
    agent_version: int
    model: str
    messages: Sequence[Message]
    question_id: str
    replaces: str | None
    number: int | None
    asked_at: datetime
    answer: bytes
    streamed: bool
    counts: bool = True
    size: int = 0
    """About how many bytes it holds."""

    @property
    def slot(self) -> tuple[str, str]:
        """What its answer belongs to."""
        return self.dialog_id, self.question_id


async def record_turns(database: Database, tenant: str, turns: Sequence[Turn]) -> list[Turn]:
    """Record turns of one tenant; returns those that must wait for earlier ones of their dialog.

    Each dialog is held by its row meanwhile. What was recorded before is not recorded again; another answer
    to the same request takes the place of the former one. Of an erased dialog nothing is recorded.
    """
    dialogs = {turn.dialog_id for turn in turns if turn.counts}
    numbered = {turn.dialog_id for turn in turns if turn.number is not None}
    async with database.tenant_transaction(tenant) as transaction:
        connection = transaction.connection
        if dialogs:
            await store.lock_dialogs(connection, tenant, dialogs)
        erased = await tombstones.find(connection, "dialog", [(tenant, one) for one in dialogs])
        opened = await store.open_turns(connection, tenant, numbered) if numbered else []
        now, later = in_order(turns, opened)
        known = await store.recorded(connection, tenant, {turn.slot for turn in now})
        fresh: dict[tuple[str, str], Recorded] = {}
        for turn in now:
            if not turn.counts or (tenant, turn.dialog_id) in erased:
                continue
            news = _record(transaction, turn, fresh.get(turn.slot) or known.get(turn.slot))
            if news is not None:
                fresh[turn.slot] = news
        if fresh:
            await store.put_recorded(connection, tenant, list(fresh.values()))
        over = [(turn.dialog_id, turn.number) for turn in now if turn.number is not None]
        if over:
            await store.end_turns(
                connection, tenant, [dialog for dialog, _ in over], [number for _, number in over]
            )
    return later


def in_order(turns: Sequence[Turn], opened: Collection[tuple[str, int]]) -> tuple[list[Turn], list[Turn]]:
    """Return (those whose turn has come, in order of arrival; those that wait for an earlier one)."""
    here = {(turn.dialog_id, turn.number) for turn in turns}
    blocked: dict[str, int] = {}
    for dialog_id, number in opened:
        if (dialog_id, number) not in here:
            blocked[dialog_id] = min(number, blocked.get(dialog_id, number))
    now: list[Turn] = []
    later: list[Turn] = []
    for turn in sorted(turns, key=lambda turn: turn.number or 0):
        waits = turn.number is not None and blocked.get(turn.dialog_id, turn.number) < turn.number
        (later if waits else now).append(turn)
    return now, later


def _record(transaction: Transaction, turn: Turn, known: Recorded | None) -> Recorded | None:
    """Publish what is new of one turn; returns what to remember, None when nothing is new."""
    said = recording.answer_of(turn.answer, streamed=turn.streamed)
    digest = recording.answer_hash(said) if said else None
    if known is not None and (digest is None or digest == known.answer_hash):
        return None
    if known is None:
        for identifier, message, replaces in _new_messages(turn):
            _publish(transaction, turn, identifier, message, replaces, turn.asked_at)
    answer = None
    if said is not None and digest is not None:
        before = known.answer_id if known else None
        answer = recording.answer_id(turn.dialog_id, turn.question_id, digest, before)
        _publish(transaction, turn, answer, said, before, datetime.now(UTC))
    return Recorded(turn.dialog_id, turn.question_id, answer, digest)


def _new_messages(turn: Turn) -> list[tuple[str, Message, str | None]]:
    start = recording.first_new(turn.messages)
    found: list[tuple[str, Message, str | None]] = []
    for place in range(start, len(turn.messages)):
        last = place == len(turn.messages) - 1
        replaces = turn.replaces if place == start else None
        identifier = (
            turn.question_id
            if last
            else recording.message_id(turn.dialog_id, turn.messages[: place + 1], turn.replaces)
        )
        found.append((identifier, turn.messages[place], replaces))
    return found


def _publish(
    transaction: Transaction,
    turn: Turn,
    identifier: str,
    message: Message,
    replaces: str | None,
    at: datetime,
) -> None:
    """Publish a message; one that no transcript can hold is left out, with a line in the log."""
    try:
        transaction.publish(_event(turn, identifier, message, replaces, at), tenant=turn.tenant)
    except (ValueError, Permanent):
        log().warning("message_not_recorded", role=str(message.get("role"))[:16])


def _event(
    turn: Turn, identifier: str, message: Message, replaces: str | None, at: datetime
) -> MessagePosted:
    role = message.get("role")
    kept: dict[str, Any] = {name: message[name] for name in FIELDS if message.get(name)}
    if role != "assistant":
        kept.setdefault("content", "")
    chat_message = ChatMessage.model_validate(
        {
            **kept,
            "id": identifier,
            "author": AUTHORS.get(str(role), "automation"),
            "at": at,
            "model": turn.model if role == "assistant" else None,
        }
    )
    return MessagePosted(
        dialog_id=turn.dialog_id,
        agent_id=turn.agent_id,
        agent_version=turn.agent_version,
        message=chat_message,
        replaces=replaces,
        source="live",
    )
