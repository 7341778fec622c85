"""The base models that the simulator offers."""

from dataclasses import dataclass

CREATED = 1_722_470_400
SHUTDOWN = "2027-01-14"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model of the provider: `snapshot` is what an alias stands for."""

    id: str
    snapshot: str
    trainable: bool = True
    shutdown_date: str | None = SHUTDOWN


_SNAPSHOTS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14")
_ALIASES = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
}
BASE_MODELS = {
    **{name: BaseModel(name, name) for name in _SNAPSHOTS},
    **{alias: BaseModel(alias, name, shutdown_date=None) for alias, name in _ALIASES.items()},
    "gpt-5-mini": BaseModel("gpt-5-mini", "gpt-5-mini", trainable=False, shutdown_date=None),
}
