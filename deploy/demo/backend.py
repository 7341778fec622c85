"""The chat backend: publishes dialogs to `chat.events` and hears what the services say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import ValidationError

from chassis.envelope import Received, decode, encode_headers, new_headers
from contracts.agents import AgentRouted
from contracts.chat import ChatMessage, DialogEnded, DialogRatedInChat, MessagePosted
from contracts.dialogs import DialogCompleted
from contracts.event import Event
from contracts.topics import TOPICS, message_key
from contracts.training import TrainingStatus
from deploy.demo.dialogs import Dialog, DialogsError
from deploy.stack.broker import Broker, reached
from deploy.stack.secure import ADMIN

SOURCE = "/chat-backend"
HEARD = (DialogCompleted, TrainingStatus, AgentRouted)
AUTHORS = {"user": "client", "assistant": "model"}
BETWEEN_MESSAGES = timedelta(seconds=20)
LARGEST = 4_194_304


class SilenceError(Exception):
    """Nothing more was heard from the services."""


class ChatBackend:
    """A chat backend of one tenant."""

    def __init__(self, backend: Broker, watching: Broker, tenant: str) -> None:
        """`backend` has a chat backend's rights; `watching` also hears what services tell each other."""
        self._tenant = tenant
        self._producer = AIOKafkaProducer(
            **reached(backend),
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=LARGEST,
        )
        self._consumer = AIOKafkaConsumer(
            *(event.TOPIC for event in HEARD),
            **reached(watching),
            isolation_level="read_committed",
            max_partition_fetch_bytes=LARGEST,
        )

    async def start(self) -> None:
        """Connect, and listen from now on."""
        await self._producer.start()
        await self._consumer.start()
        await self._consumer.seek_to_end()
        for place in self._consumer.assignment():
            await self._consumer.position(place)  # the end as of now, not as of the first fetch

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._producer.stop()

    async def publish(
        self, dialogs: Sequence[Dialog], sent: Callable[[], None], *, apart: timedelta = timedelta()
    ) -> None:
        """Publish dialogs at once, the events of each in order; `sent` is called after each dialog.

        The last one ended just now, each other `apart` before the next.
        """
        pending: list[asyncio.Future[object]] = []
        for place, dialog in enumerate(dialogs, 1):
            for event in events_of(dialog, datetime.now(UTC) - apart * (len(dialogs) - place)):
                pending.append(await self._send(event))
            sent()
        await asyncio.gather(*pending)

    async def _send(self, event: Event) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = await self._producer.send(
            event.TOPIC,
            event.body(),
            key=message_key(self._tenant, event.key()),
            headers=encode_headers(new_headers(event, tenant=self._tenant, source=SOURCE)),
        )
        return future

    async def heard(self, patience: float, what: str) -> AsyncIterator[Received[Event]]:
        """This tenant's events as they come; raises SilenceError after `patience` seconds without any."""
        while True:
            try:
                async with asyncio.timeout(patience):
                    record = await self._consumer.getone()
            except TimeoutError:
                raise SilenceError(f"no {what} within {patience:.0f} s: ./dev logs, ./dev dlt list") from None
            received = decode(record, TOPICS[record.topic].max_message_bytes)
            if received.tenant == self._tenant:
                yield received


@asynccontextmanager
async def chat_backend(kafka: Callable[[str], Broker], tenant: str) -> AsyncIterator[ChatBackend]:
    """A connected chat backend; `kafka` tells how a user reaches the broker."""
    backend = ChatBackend(kafka("chat-backend"), kafka(ADMIN), tenant)
    try:
        await backend.start()
        yield backend
    finally:
        await backend.stop()


def events_of(dialog: Dialog, ended_at: datetime) -> Iterable[Event]:
    """What the chat backend says of a dialog: its messages, its rating, its end."""
    began = ended_at - BETWEEN_MESSAGES * len(dialog.messages)
    for place, message in enumerate(dialog.messages):
        body = {
            **message,
            "id": dialog.message_id(place),
            "author": AUTHORS.get(message["role"]),
            "at": began + BETWEEN_MESSAGES * place,
        }
        try:
            said = ChatMessage.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            raise DialogsError(f"dialog {dialog.dialog_id}, message {place}: {first['msg']}") from None
        yield MessagePosted(
            dialog_id=dialog.dialog_id, agent_id=dialog.agent_id, agent_version=1, message=said, source="live"
        )
    if dialog.rating:
        yield DialogRatedInChat(dialog_id=dialog.dialog_id, rating=dialog.rating, by="client")
    yield DialogEnded(
        dialog_id=dialog.dialog_id, agent_id=dialog.agent_id, outcome=dialog.outcome, at=ended_at
    )
