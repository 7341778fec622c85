"""Every event by its CloudEvents type."""

from contracts.agents import AgentRouted, AgentUpdated
from contracts.chat import DialogEnded, DialogRatedInChat, MessagePosted
from contracts.datasets import DatasetChanged, DatasetReady, DatasetWithdrawn
from contracts.dialogs import DialogCompleted, DialogErased, DialogForgotten, DialogRated
from contracts.event import Event
from contracts.training import KeyRefused, ModelActivated, TrainingStatus

_CLASSES: tuple[type[Event], ...] = (
    MessagePosted,
    DialogEnded,
    DialogRatedInChat,
    DialogCompleted,
    DialogRated,
    DialogErased,
    DialogForgotten,
    AgentUpdated,
    AgentRouted,
    DatasetChanged,
    DatasetReady,
    DatasetWithdrawn,
    TrainingStatus,
    KeyRefused,
    ModelActivated,
)

EVENTS: dict[str, type[Event]] = {cls.TYPE: cls for cls in _CLASSES}


class UnknownEventError(LookupError):
    """No event of this type is known."""


def parse(event_type: str, body: bytes) -> Event:
    """The typed event in `body`; UnknownEventError, or pydantic's ValidationError when it doesn't fit."""
    cls = EVENTS.get(event_type)
    if cls is None:
        raise UnknownEventError(event_type[:128])
    return cls.from_body(body)
