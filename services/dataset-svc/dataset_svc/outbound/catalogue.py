"""The operators' provider catalogue, as far as dataset-svc needs it: the fewest examples to train on."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.errors import Permanent, describe


class CatalogueError(Permanent):
    """The catalogue cannot be read; the text says which part of it is wrong."""


class _Limits(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    min_examples: int | None = Field(None, ge=1)


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: str
    limits: _Limits = _Limits()


class Catalogue(BaseModel):
    """The base models; `default` counts for those that are not listed or name no minimum."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    base_models: tuple[_Model, ...] = ()
    default: int = 10

    def min_examples(self, base_model: str) -> int:
        """Return the fewest examples of a training file for this model, or the owner's own made from it."""
        name = base_model.split(":")[1] if base_model.count(":") > 1 else base_model
        found = next((one.limits.min_examples for one in self.base_models if one.id == name), None)
        return found or self.default


def read_catalogue(path: Path | None, default: int) -> Catalogue:
    """Read the catalogue; without one, `default` counts for every model. Raises CatalogueError."""
    if path is None:
        return Catalogue(default=default)
    try:
        found = Catalogue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CatalogueError(f"MORTARBOARD_CATALOGUE: {path}: {error.strerror}") from None
    except yaml.YAMLError:
        raise CatalogueError(f"MORTARBOARD_CATALOGUE: {path} is not YAML") from None
    except ValidationError as error:
        raise CatalogueError(f"MORTARBOARD_CATALOGUE: {path}: {describe(error)}") from None
    return found.model_copy(update={"default": default})
