"""The base of every event and the value types that events share."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

BIGINT = 2**63 - 1


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time before year 1 or after year 9999 in UTC") from None


def _uuid_text(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value


NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text holds every character but this one

OpaqueId = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
"""An identifier minted by the chat backend: unique within a tenant, its form is nobody's business."""

UuidId = Annotated[
    str,
    BeforeValidator(_uuid_text),
    Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
]
"""An identifier of ours (UUIDv7), as lower-case text; a `uuid.UUID` is taken and written as text."""

Timestamp = Annotated[AwareDatetime, AfterValidator(_utc)]
"""RFC 3339 with an offset, held in UTC."""

Label = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
"""A short word or name: a model, a provider, a channel, an outcome, a code."""

Text = Annotated[str, Field(max_length=10_000)]
"""A sentence or a few, written by a person or a service."""

StoreUri = Annotated[str, Field(min_length=1, max_length=1024, pattern=NO_NUL)]
"""A key in the object store, relative to it, under the tenant's prefix."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=BIGINT)]
Version = Annotated[int, Field(ge=1, le=BIGINT)]
MicroDollars = Annotated[int, Field(ge=0, le=BIGINT)]
JsonObject = dict[str, Any]


def absent(value: object) -> bool:
    """For `exclude_if`: what wasn't given stays out of what others made up and we pass on."""
    return value is None


class Value(BaseModel):
    """What every model on the wire has in common: immutable, unknown fields ignored, input never shown."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ObjectRef(Value):
    """Something too large for a topic: where it lies in the object store and what it must hash to."""

    uri: StoreUri
    sha256: Sha256
    bytes: Count


class Event(Value):
    """A past-tense fact; subclasses name their CloudEvents type, topic and the field that forms the key."""

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    KEY: ClassVar[str]

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read a JSON body as its schema says: numbers in quotes and the like are refused."""
        return cls.model_validate_json(body, strict=True)

    def body(self) -> bytes:
        """The JSON body to publish."""
        return self.model_dump_json().encode()

    def key(self) -> str:
        """The id that, with the tenant, forms the message key."""
        return str(getattr(self, self.KEY))
