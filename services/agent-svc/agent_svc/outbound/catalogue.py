"""The operators' provider catalogue, as far as agent-svc needs it: where each provider answers."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from chassis.untrusted import check_address


class ProviderEntry(BaseModel):
    """One provider of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str
    base_url: str
    allow_private: bool = False


class Catalogue(BaseModel):
    """The providers that operators allow."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    providers: tuple[ProviderEntry, ...]

    def provider(self, name: str) -> ProviderEntry | None:
        """Return a provider by its id, or None."""
        return next((entry for entry in self.providers if entry.id == name), None)

    def address(self, name: str) -> str:
        """Return the provider's base URL; raises UnsafeAddressError when it may not be called."""
        entry = self.provider(name)
        if entry is None:
            raise LookupError(name)
        return check_address(entry.base_url, allow_private=entry.allow_private)


def read_catalogue(path: Path) -> Catalogue:
    """Read the catalogue; raises OSError or pydantic's ValidationError naming what is wrong in it."""
    return Catalogue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
