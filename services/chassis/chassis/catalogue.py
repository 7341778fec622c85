"""Reads the operators' catalogue, and reads it again when the file changes: a broken one keeps the old."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from typing import Any

import yaml
from prometheus_client import Gauge
from pydantic import ValidationError

from chassis import observability as seen
from chassis.errors import Permanent
from chassis.untrusted import UnsafeAddressError, check_address, check_url, fill_template
from contracts.catalogue import BaseModelEntry, CatalogueFile, Limits, ProviderEntry

SETTING = "MORTARBOARD_CATALOGUE"
LOOK_EVERY = 1.0
MOST_MISTAKES = 20
VALUE = "[a-z0-9-]{2,64}"
catalogue_broken = Gauge(
    "mortarboard_catalogue_broken", "1 while the catalogue's file is broken and an older state is used"
)
catalogue_read = Gauge("mortarboard_catalogue_read_seconds", "When the catalogue in use was read (Unix time)")

training_closes = Gauge(
    "mortarboard_training_closes_timestamp_seconds", "When a provider ends training for all", ["provider"]
)
base_model_shutdown = Gauge(
    "mortarboard_base_model_shutdown_timestamp_seconds",
    "When a provider ends a base model",
    ["provider", "base_model"],
)


class CatalogueError(Permanent):
    """The catalogue cannot be read; the text says where in it the mistake is, never a value."""


def parse_catalogue(text: str, place: str) -> CatalogueFile:
    """Return the catalogue in a YAML text; raises CatalogueError that names line, entry and field."""
    try:
        tree, plain = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise CatalogueError(f"{SETTING}: {place}{line}: not YAML") from None
    try:
        found = CatalogueFile.model_validate(plain)
        for number, provider in enumerate(found.providers):
            _check_address(provider, plain, tree, number, place)
    except ValidationError as error:
        rows = error.errors(include_input=False, include_context=False, include_url=False)
        told = [_mistake(row["loc"], row["msg"], plain, tree, place) for row in rows[:MOST_MISTAKES]]
        raise CatalogueError("; ".join(dict.fromkeys(told))) from None
    return found


def _check_address(provider: ProviderEntry, plain: Any, tree: Any, number: int, place: str) -> None:
    if provider.base_url is None:
        return
    try:
        check_url(
            fill_template(provider.base_url, dict.fromkeys(provider.variables, "example")),
            allow_private=provider.allow_private,
        )
    except UnsafeAddressError as error:
        where = ("providers", number, "base_url")
        raise CatalogueError(_mistake(where, str(error), plain, tree, place)) from None


def _mistake(where: tuple[int | str, ...], what: str, plain: Any, tree: Any, place: str) -> str:
    """Return one mistake: `catalogue.yaml, line 7, providers 'azure', field base_url: …`."""
    entry, value = "", plain
    fields: list[int | str] = []
    for part in where:
        value = _within(value, part)
        if isinstance(part, int) and isinstance(value, dict) and "id" in value:
            entry, fields = f", {' '.join(map(str, fields))} '{value['id']!s:.80}'", []
        else:
            fields.append(part)
    field = f", field {'.'.join(map(str, fields))}" if fields else ""
    what = what.removeprefix("Value error, ")
    return f"{SETTING}: {place}, line {_line(tree, where)}{entry}{field}: {what}"


def _within(value: Any, part: int | str) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _line(tree: Any, where: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of a path that is in the file."""
    line = 1
    for part in where:
        if isinstance(tree, yaml.MappingNode):
            found = next((pair for pair in tree.value if pair[0].value == str(part)), None)
            if found is None:
                break
            line, tree = found[0].start_mark.line + 1, found[1]
        elif isinstance(tree, yaml.SequenceNode) and isinstance(part, int) and part < len(tree.value):
            tree = tree.value[part]
            line = tree.start_mark.line + 1
        else:
            break
    return line


class Catalogue:
    """The catalogue as the file has it now.

    It looks for a changed file when asked, at most once in `LOOK_EVERY` seconds. Without a path it is empty;
    `least` is the fewest examples where the file names no minimum. Raises CatalogueError when made.
    """

    def __init__(
        self, path: Path | None, *, least: int = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._least = least
        self._clock = clock
        self._looked = clock()
        self._stamp = self._look()
        self._file = self._read()

    @property
    def now(self) -> CatalogueFile:
        """The newest catalogue that was not broken."""
        if self._path is not None and self._clock() - self._looked >= LOOK_EVERY:
            self._looked = self._clock()
            self._refresh()
        return self._file

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None

    def _read(self) -> CatalogueFile:
        if self._path is None:
            return CatalogueFile(providers=())
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise CatalogueError(f"{SETTING}: {self._path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CatalogueError(f"{SETTING}: {self._path}: not UTF-8") from None
        found = parse_catalogue(text, str(self._path))
        catalogue_broken.set(0)
        catalogue_read.set_to_current_time()
        _tell_ends(found)
        return found

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._file = self._read()
        except CatalogueError as error:
            catalogue_broken.set(1)
            seen.log().error("catalogue_broken", error=str(error))
        else:
            seen.log().info("catalogue_read", providers=len(self._file.providers))

    @property
    def providers(self) -> tuple[ProviderEntry, ...]:
        """All providers, in the operators' order."""
        return self.now.providers

    @property
    def base_models(self) -> tuple[BaseModelEntry, ...]:
        """All base models, in the operators' order."""
        return self.now.base_models

    def provider(self, name: str) -> ProviderEntry | None:
        """Return a provider by its id."""
        return next((one for one in self.now.providers if one.id == name), None)

    def __getitem__(self, name: str) -> ProviderEntry:
        """Return a provider; raises LookupError for one that operators have not listed."""
        found = self.provider(name)
        if found is None:
            raise LookupError(name)
        return found

    def address(self, name: str, variables: Mapping[str, str] | None = None) -> str:
        """Return the provider's base URL with a tenant's values in it, and look its name up (blocking).

        Raises UnsafeAddressError when it may not be called, or a value is missing or odd.
        """
        found = self[name]
        return check_address(filled_address(found, variables or {}), allow_private=found.allow_private)

    def base_name(self, provider: str, model: str) -> str:
        """Return the base model in a fine-tuned model's name; any other name as it is."""
        found = self.provider(provider)
        match = re.match(found.tuned_names, model) if found and found.tuned_names else None
        return match["base"] if match else model

    def base_model(self, provider: str, model: str) -> BaseModelEntry | None:
        """Return a base model by its id, an alias, or the name of a model that was made from it."""
        listed = [one for one in self.now.base_models if one.provider == provider]
        for name in (model, self.base_name(provider, model)):
            found = next((one for one in listed if name in {one.id, *one.aliases}), None)
            if found is not None:
                return found
        return None

    def limits(self, provider: str, model: str) -> Limits:
        """Return what a training of this model may hold: the model's own limits over the provider's."""
        base, entry = self.base_model(provider, model), self.provider(provider)
        known = entry.limits.model_dump(exclude_unset=True) if entry else {}
        return Limits(**(known | (base.limits.model_dump(exclude_unset=True) if base else {})))

    def min_examples(self, model: str, provider: str | None = None) -> int:
        """Return the fewest examples to train a model on, at any provider that lists it if none is named."""
        names = [provider] if provider else [one.id for one in self.now.providers]
        known = (self.limits(name, model).min_examples for name in names if self.base_model(name, model))
        return next((least for least in known if least), self._least)

    def still_training(self, on: date) -> list[ProviderEntry]:
        """Return the providers that train on this day, those of protocol `file` left out."""
        trains = {one.provider for one in self.now.base_models if one.trainable}
        return [
            one
            for one in self.now.providers
            if one.protocol != "file" and one.id in trains and not one.closed(on)
        ]


def _tell_ends(catalogue: CatalogueFile) -> None:
    """Let the metrics say which days the catalogue names: operators warn long before."""
    training_closes.clear()
    base_model_shutdown.clear()
    for provider in catalogue.providers:
        if provider.training_closes:
            training_closes.labels(provider.id).set(_seconds(provider.training_closes))
    for model in catalogue.base_models:
        if model.shutdown:
            base_model_shutdown.labels(model.provider, model.id).set(_seconds(model.shutdown))


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def is_address_of(provider: ProviderEntry, url: str) -> bool:
    """Tell whether `url` is the provider's base URL with some tenant's values in it."""
    if provider.base_url is None:
        return False
    pieces = (
        re.escape(text) + (VALUE if name else "") for text, name, *_ in Formatter().parse(provider.base_url)
    )
    return re.fullmatch("".join(pieces), url) is not None


def filled_address(provider: ProviderEntry, variables: Mapping[str, str]) -> str:
    """Return a provider's base URL with a tenant's values; raises UnsafeAddressError for a missing one."""
    missing = sorted(set(provider.variables) - set(variables))
    if missing or provider.base_url is None:
        raise UnsafeAddressError(f"the address needs a value: {', '.join(missing) or 'base_url'}")
    return fill_template(provider.base_url, {name: variables[name] for name in provider.variables})
