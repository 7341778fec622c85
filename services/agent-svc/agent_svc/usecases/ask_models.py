"""Ask models for the answers of a test chat, and keep what came; also when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import TypeAdapter

from agent_svc.domain.chat_errors import failure_of
from agent_svc.domain.chat_tree import Call
from agent_svc.domain.gateway_errors import UNAUTHORIZED, ProviderRefusalError
from agent_svc.domain.recording import answer_of
from agent_svc.outbound import test_chat_store as store
from agent_svc.outbound.chat import Models
from agent_svc.usecases.change_test_chat import Ask, publish_message
from agent_svc.usecases.note_key import note_unauthorized
from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from chassis.errors import describe
from chassis.observability import log
from contracts.chat import ChatMessage

LONGEST = 300.0
"""Seconds that an answer may take from beginning to end; one under way for longer has been given up."""
LAST_WAIT = 3.0
MAX_BYTES = 4_194_304
MAX_TEXT = 200_000
_AS_KEPT = TypeAdapter(ChatMessage)
PAUSES = (0.1, 1.0, 5.0, 0.0)
Heard = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an answer: what the model said, or why there is nothing."""

    content: str | None = None
    calls: tuple[Call, ...] = ()
    error: str | None = None
    unauthorized: bool = False


class Asker:
    """Asks in tasks of its own; `drain` waits for those under way."""

    def __init__(self, database: Database, catalogue: Catalogue, models: Models) -> None:
        self._database = database
        self._catalogue = catalogue
        self._models = models
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, ask: Ask, heard: Heard = lambda _: None) -> asyncio.Task[None]:
        """Begin to ask; `heard` gets the answer's bytes as they come. The task ends when all is kept."""
        task = asyncio.create_task(self._run(ask, heard))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self) -> None:
        """Wait a while for what is being asked; what has not come then is kept as interrupted."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=LAST_WAIT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, ask: Ask, heard: Heard) -> None:
        outcome = await self._ask(ask, heard)
        for pause in PAUSES:
            try:
                async with self._database.tenant_transaction(ask.tenant) as transaction:
                    await keep_answer(transaction, self._catalogue, ask, outcome)
                return
            except Exception as error:
                log().error("answer_not_kept", error=describe(error), last=pause == 0.0)
                await asyncio.sleep(pause)

    async def _ask(self, ask: Ask, heard: Heard) -> Outcome:
        try:
            async with asyncio.timeout(LONGEST):
                body, streamed = await self._listen(ask, heard)
                return _said(body, streamed=streamed)
        except ProviderRefusalError as refusal:
            return Outcome(error=failure_of(refusal), unauthorized=refusal.status == UNAUTHORIZED)
        except TimeoutError:
            return Outcome(error="answer_too_late")
        except asyncio.CancelledError:  # the service stops: that is worth a line in the tree
            return Outcome(error="interrupted")
        except Exception as error:
            log().error("asking_failed", error=describe(error))
            return Outcome(error="interrupted")

    async def _listen(self, ask: Ask, heard: Heard) -> tuple[bytes, bool]:
        answer = await self._models.ask(ask.target, ask.body, streamed=True)
        try:
            copy = bytearray(answer.first)
            heard(answer.first)
            if not answer.ended:
                async for chunk in answer.rest():
                    copy += chunk
                    heard(chunk)
                    if len(copy) > MAX_BYTES:
                        raise ProviderRefusalError(0)
            answer.ended = True
            return bytes(copy), "event-stream" in answer.content_type
        finally:
            answer.close()


def _said(body: bytes, *, streamed: bool) -> Outcome:
    if streamed and b"[DONE]" not in body[-64:]:
        return Outcome(error="interrupted")
    message = answer_of(body, streamed=streamed)
    if message is None or not (message.get("content") or message.get("tool_calls")):
        return Outcome(error="answer_empty")
    try:
        kept = _AS_KEPT.validate_python(
            {**message, "id": "0", "role": "assistant", "at": "1970-01-01T00:00Z"}
        )
    except ValueError:
        return Outcome(error="answer_odd")
    if len(kept.text()) > MAX_TEXT:
        return Outcome(error="answer_too_long")
    calls = (Call(one.id, one.function.name, one.function.arguments) for one in kept.tool_calls or ())
    return Outcome(kept.text().replace("\x00", "\ufffd") or None, tuple(calls))


async def keep_answer(transaction: Transaction, catalogue: Catalogue, ask: Ask, outcome: Outcome) -> None:
    """Write what became of an answer and publish it; one that was asked for again since is let go."""
    connection = transaction.connection
    if outcome.unauthorized:
        await note_unauthorized(transaction, catalogue, ask.tenant, ask.key.key_id, ask.key.version)
    chat = await store.lock_chat(connection, ask.tenant, UUID(ask.dialog_id))
    node = chat.nodes.get(ask.message_id) if chat is not None else None
    if chat is None or node is None or node.status != "asking" or node.attempt != ask.attempt:
        return
    if outcome.error is not None:
        chat.change(replace(node, status="failed", error=outcome.error))
    else:
        said = replace(node, status="answered", content=outcome.content, calls=outcome.calls)
        publish_message(transaction, ask.tenant, chat, chat.change(said))
    await store.write_chat(connection, ask.tenant, chat)
