"""The operators' catalogue: who trains and answers, by which protocol, at what price, and until when.

One YAML file that dataset-, training- and agent-svc read (`chassis.catalogue` reads and rereads it). What
differs between providers is data here; no code knows a provider by its name.
"""

from __future__ import annotations

import re
from datetime import date
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

MICRO = 1_000_000
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Positive = Annotated[int, Field(ge=1, le=2**53)]


class Part(BaseModel):
    """A part of the file: unknown fields are mistakes, and no value appears in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Words(Part):
    """The same in both languages."""

    en: Name
    ru: Name


class Variable(Part):
    """Something of the tenant's that an address needs; its value is kept with the key."""

    label: Words
    example: Name | None = None


class Auth(Part):
    """The header that carries the key, and the word before it (empty: the key alone)."""

    header: HeaderName = "Authorization"
    scheme: Annotated[str, StringConstraints(max_length=32, pattern=r"^[A-Za-z]*$")] = "Bearer"

    def headers(self, key: str) -> dict[str, str]:
        """Return the header for a key."""
        return {self.header: f"{self.scheme} {key}" if self.scheme else key}


class Closing(Part):
    """From this day the provider no longer trains for these owners, or (`everybody`) for nobody."""

    since: date
    whom: Words
    everybody: bool = False


class Capabilities(Part):
    """What the server can do beyond files, jobs and events; what it lacks is not asked of it."""

    methods: tuple[Literal["supervised", "dpo"], ...] = ("supervised",)
    hyperparameters: Literal["nested", "top_level"] = "nested"
    metadata: Literal["filtered", "kept", "dropped"] = "filtered"
    """Jobs can be listed by their metadata; they keep it, but a list is not filtered; or they lose it."""
    pause: bool = False
    checkpoints: bool = False
    result_files: bool = False
    webhooks: bool = False
    uploads: bool = False
    """Large files may come in parts."""
    validation: bool = True
    own_models: bool = False
    """Training may go on from an owner's own fine-tuned model."""
    files_settle: bool = False
    """A job may be created only once its files are processed."""
    deployments: bool = False
    """A trained model answers only after its owner has deployed it, under the deployment's name."""


class Limits(Part):
    """What a training may hold; None: not known, nothing is refused for it here."""

    min_examples: Positive | None = None
    example_tokens: Positive | None = None
    max_epochs: Positive | None = None
    max_batch: Positive | None = None
    file_bytes: Positive | None = None
    upload_bytes: Positive | None = None
    """Of a file that comes in parts."""
    part_bytes: Positive = 64 * 1024 * 1024
    suffix: Annotated[int, Field(ge=1, le=64)] = 64


class Prices(Part):
    """US dollars per million tokens, and the day they were read. Input and output: of a fine-tuned model."""

    as_of: date
    training: Usd | None = None
    input: Usd | None = None
    output: Usd | None = None


class ProviderEntry(Part):
    """Somebody who trains or answers. `protocol` none: training files are only taken away."""

    id: Name
    name: Words | Name | None = None
    protocol: Literal["jobs", "file"] = "jobs"
    base_url: str | None = None
    allow_private: bool = False
    variables: dict[VariableName, Variable] = Field(default_factory=dict)
    auth: Auth = Auth()
    organisation_header: HeaderName | None = None
    """The header of its answers that names the organisation of the key."""
    query: dict[Name, Name] = Field(default_factory=dict)
    chat_path: Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_./{}-]{1,200}$")] = "/chat/completions"
    capabilities: Capabilities = Capabilities()
    limits: Limits = Limits()
    tuned_names: str | None = None
    """A pattern of fine-tuned models' names whose group `base` is the base model."""
    closings: tuple[Closing, ...] = ()
    trains_until_at_least: date | None = None

    @field_validator("tuned_names")
    @classmethod
    def _names_the_base(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groupindex
        except re.error:
            raise ValueError("is not a regular expression") from None
        if "base" not in groups:
            raise ValueError("needs a group named base: (?P<base>…)")
        return pattern

    @model_validator(mode="after")
    def _address_fits(self) -> Self:
        if self.protocol == "file":
            if self.base_url is not None:
                raise ValueError("a provider of protocol file has no base_url")
            return self
        if not self.base_url or not re.match(r"^https?://[^\s$]+$", self.base_url):
            raise ValueError("base_url must be an address: https://…")
        try:
            asked = {name for _, name, _, _ in Formatter().parse(self.base_url) if name is not None}
        except ValueError:
            raise ValueError("base_url has a brace too many or too few") from None
        if asked != set(self.variables):
            odd = ", ".join(sorted(asked ^ set(self.variables)))
            raise ValueError(f"base_url and variables must name the same: {odd or 'nothing'}")
        return self

    def label(self, language: str) -> str:
        """Return its name for a person ("ru" or anything else for English)."""
        if isinstance(self.name, Words):
            return self.name.ru if language == "ru" else self.name.en
        return self.name or self.id

    def closed(self, on: date) -> Closing | None:
        """Return the closing by which nobody may train here on this day."""
        return next((one for one in self.closings if one.everybody and one.since <= on), None)

    @property
    def training_closes(self) -> date | None:
        """The day from which it trains for nobody."""
        return next((one.since for one in self.closings if one.everybody), None)


class BaseModelEntry(Part):
    """A model that can be trained at a provider."""

    id: Name
    provider: Name
    name: Words
    aliases: tuple[Name, ...] = ()
    prices: Prices | None = None
    limits: Limits = Limits()
    trainable: bool = True
    training_closes: date | None = None
    shutdown: date | None = None

    @property
    def price(self) -> int | None:
        """Micro-dollars per million trained tokens; None when the operators don't know."""
        known = self.prices.training if self.prices else None
        return None if known is None else round(known * MICRO)


class CatalogueFile(Part):
    """All of it."""

    providers: tuple[ProviderEntry, ...]
    base_models: tuple[BaseModelEntry, ...] = ()

    @model_validator(mode="after")
    def _refers_to_itself_only(self) -> Self:
        providers = [one.id for one in self.providers]
        models = [(one.provider, name) for one in self.base_models for name in (one.id, *one.aliases)]
        twice = sorted({name for name in providers if providers.count(name) > 1})
        if twice:
            raise ValueError(f"providers listed twice: {', '.join(twice)}")
        again = sorted({name for pair in models if models.count(pair) > 1 for name in [" ".join(pair)]})
        if again:
            raise ValueError(f"base models listed twice: {', '.join(again)}")
        unknown = sorted({one.provider for one in self.base_models} - set(providers))
        if unknown:
            raise ValueError(f"base models of unlisted providers: {', '.join(unknown)}")
        return self
