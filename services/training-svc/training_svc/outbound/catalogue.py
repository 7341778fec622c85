"""The operators' catalogue of providers and base models, read once at start."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chassis.errors import Permanent, describe
from training_svc.domain.job import MICRO

Name = Annotated[str, Field(min_length=1, max_length=256)]


class CatalogueError(Permanent):
    """The catalogue cannot be read; the text says which part of it is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Provider(_Part):
    """Somebody who trains: an address that speaks the files and jobs protocol."""

    id: Name
    name: Name
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s$]+$")]
    allow_private: bool = False
    capabilities: tuple[str, ...] = ()
    hyperparameters: Literal["method", "top_level"] = "method"
    training_closes: date | None = None


class Words(_Part):
    """A name in both languages."""

    en: Name
    ru: Name


class Price(_Part):
    """What training costs, and when that was true."""

    usd_per_million_tokens: Annotated[float, Field(ge=0)]
    as_of: date


class Limits(_Part):
    """What a training file may hold."""

    min_examples: int = 10
    example_tokens: int = 65_536
    max_epochs: int = 50
    file_bytes: int = 512 * 1024 * 1024


class BaseModelEntry(_Part):
    """A model that can be trained."""

    id: Name
    provider: Name
    name: Words
    training_price: Price
    limits: Limits = Limits()
    shutdown: date | None = None

    @property
    def price(self) -> int:
        """Micro-dollars per million trained tokens."""
        return round(self.training_price.usd_per_million_tokens * MICRO)


class Catalogue(_Part):
    """All of it."""

    providers: tuple[Provider, ...]
    base_models: tuple[BaseModelEntry, ...]

    @model_validator(mode="after")
    def check_references(self) -> Catalogue:
        """Refuse a base model of a provider that is not listed."""
        unknown = {model.provider for model in self.base_models} - {one.id for one in self.providers}
        if unknown:
            raise ValueError(f"base models of unlisted providers: {', '.join(sorted(unknown))}")
        return self

    def provider(self, provider_id: str) -> Provider | None:
        """Return a provider."""
        return next((one for one in self.providers if one.id == provider_id), None)

    def base_model(self, provider_id: str, model: str) -> BaseModelEntry | None:
        """Return a base model; for the owner's own model (`ft:base:…`) the one that it was made from."""
        name = model.split(":")[1] if model.startswith("ft:") and model.count(":") > 1 else model
        return next((one for one in self.base_models if one.provider == provider_id and one.id == name), None)


def read_catalogue(path: Path) -> Catalogue:
    """Read the catalogue; raises CatalogueError that names the mistake."""
    try:
        return Catalogue.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise CatalogueError(f"MORTARBOARD_CATALOGUE: {path}: {error.strerror}") from None
    except yaml.YAMLError:
        raise CatalogueError(f"MORTARBOARD_CATALOGUE: {path} is not YAML") from None
    except ValidationError as error:
        raise CatalogueError(f"MORTARBOARD_CATALOGUE: {path}: {describe(error)}") from None
