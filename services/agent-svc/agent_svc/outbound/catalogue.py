"""The operators' provider catalogue, as far as agent-svc needs it: where each provider answers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from chassis.untrusted import UnsafeAddressError, check_address, check_url


class ProviderEntry(BaseModel):
    """One provider of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str
    base_url: str
    allow_private: bool = False

    @model_validator(mode="after")
    def may_be_called(self) -> ProviderEntry:
        """Refuse an address that shows that it must not be called; names are looked up when called."""
        try:
            check_url(self.base_url, allow_private=self.allow_private)
        except UnsafeAddressError as error:
            raise ValueError(str(error)) from None
        return self


class BaseModelEntry(BaseModel):
    """One base model of the catalogue, as far as its end goes."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str
    provider: str
    shutdown: date | None = None


class Catalogue(BaseModel):
    """The providers that operators allow."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    providers: tuple[ProviderEntry, ...]
    base_models: tuple[BaseModelEntry, ...] = ()

    def end_of(self, provider: str, model: str) -> date | None:
        """Return the day on which a model ends, as operators know it; a trained one ends with its base."""
        parts = model.split(":")
        base = parts[1] if parts[0] == "ft" and len(parts) > 1 else model
        return next(
            (
                one.shutdown
                for one in self.base_models
                if one.provider == provider and one.id in {model, base}
            ),
            None,
        )

    def provider(self, name: str) -> ProviderEntry | None:
        """Return a provider by its id, or None."""
        return next((entry for entry in self.providers if entry.id == name), None)

    def __getitem__(self, name: str) -> ProviderEntry:
        """Return a provider; raises LookupError for one that operators have not listed."""
        entry = self.provider(name)
        if entry is None:
            raise LookupError(name)
        return entry

    def address(self, name: str) -> str:
        """Return the provider's base URL; raises UnsafeAddressError when it may not be called."""
        entry = self[name]
        return check_address(entry.base_url, allow_private=entry.allow_private)


def read_catalogue(path: Path) -> Catalogue:
    """Read the catalogue; raises OSError or pydantic's ValidationError naming what is wrong in it."""
    return Catalogue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
