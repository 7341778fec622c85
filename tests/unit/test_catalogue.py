"""The operators' catalogue: what is in it, how mistakes are told, how a changed file is taken in."""

from __future__ import annotations

import ast
import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from chassis import catalogue as module
from chassis.catalogue import Catalogue, CatalogueError, filled_address, is_address_of, parse_catalogue
from chassis.untrusted import UnsafeAddressError
from contracts.catalogue import Auth
from deploy.stack.services import CATALOGUE, simulated_catalogue

ROOT = CATALOGUE.parent.parent
SMALL = """
providers:
  - id: p
    base_url: https://p.example/v1
    tuned_names: '^ft:(?P<base>[^:]+):'
base_models:
  - {id: small, provider: p, name: {en: s, ru: м}, limits: {min_examples: 25}}
  - {id: plain, provider: p, name: {en: s, ru: м}}
"""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ready() -> Catalogue:
    return Catalogue(CATALOGUE)


def test_the_ready_catalogue_lists_every_kind_of_provider() -> None:
    found = ready()
    assert [one.id for one in found.providers] == ["openai", "azure", "nebius", "compatible", "file"]
    assert {one.provider for one in found.base_models} == {one.id for one in found.providers}
    smart = found.base_model("openai", "ft:gpt-4o-2024-08-06:org:shop:1")
    assert smart is not None
    assert (smart.name.ru, smart.price, smart.shutdown) == ("4o (умная)", 25_000_000, date(2027, 1, 14))
    cheap = found.base_model("azure", "gpt-4o-mini-2024-07-18.ft-0123-shop")
    assert cheap is not None
    assert cheap.name.ru == "4o mini (дешёвая)"
    assert found.base_model("openai", "gpt-4o") == smart
    assert found.base_model("azure", "gpt-4.1") is None


def test_the_models_limits_stand_over_the_providers() -> None:
    limits = ready().limits("openai", "gpt-4o")
    assert (limits.example_tokens, limits.max_epochs, limits.upload_bytes) == (65_536, 50, 8 * 1024**3)


def test_who_still_trains_is_told_by_the_day() -> None:
    found = ready()
    assert [one.id for one in found.still_training(date(2027, 1, 5))][:2] == ["openai", "azure"]
    assert [one.id for one in found.still_training(date(2027, 1, 6))][:2] == ["azure", "nebius"]
    closing = found["openai"].closed(date(2027, 1, 6))
    assert closing is not None
    assert closing.whom.ru == "всех"
    assert found["openai"].closed(date(2026, 12, 31)) is None


def test_the_local_stack_puts_the_simulator_in_place_of_every_address() -> None:
    text = simulated_catalogue("http://127.0.0.1:1")
    found = parse_catalogue(text, "x")
    assert {one.base_url.split("/")[2] for one in found.providers if one.base_url} == {"127.0.0.1:1"}
    assert "дешёвая" in text


def test_a_tenant_fills_an_address_and_nothing_else() -> None:
    azure = ready()["azure"]
    url = filled_address(azure, {"resource": "my-shop", "more": "x"})
    assert url == "https://my-shop.openai.azure.com/openai/v1"
    assert is_address_of(azure, url)
    for odd in ("https://my.shop.openai.azure.com/openai/v1", "https://evil.example/openai/v1"):
        assert not is_address_of(azure, odd)
    with pytest.raises(UnsafeAddressError, match="resource"):
        filled_address(azure, {})
    with pytest.raises(UnsafeAddressError):
        filled_address(azure, {"resource": "evil.com/x?"})


def test_the_key_travels_as_the_provider_wants_it() -> None:
    assert Auth().headers("k") == {"Authorization": "Bearer k"}
    assert Auth(header="api-key", scheme="").headers("k") == {"api-key": "k"}


def test_the_fewest_examples_are_the_catalogues_for_a_model_and_for_those_made_from_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(SMALL)
    found = Catalogue(path, least=10)
    assert found.min_examples("small") == found.min_examples("ft:small:org:shop:abc", "p") == 25
    assert found.min_examples("plain") == found.min_examples("unlisted") == 10
    assert Catalogue(None, least=3).min_examples("small") == 3


MISTAKES = [
    ("base_models: 7", r"line \d+, field base_models"),
    ("providers: [", "line 1: not YAML"),
    ("providers: [{id: p, base_url: 'https://p.example', bas_url: x}]", r"providers 'p', field bas_url"),
    ("providers:\n- id: p\n  base_url: ${SIMULATOR_URL}/v1", r"line 2, providers 'p': base_url must be"),
    ("providers:\n- id: p\n  base_url: http://p.example/v1", r"line 3, providers 'p', field base_url: the"),
    ("providers: [{id: p, base_url: 'https://10.0.0.1/v1'}]", "field base_url: the address"),
    ("providers: [{id: p, base_url: 'https://u:p@provider.example'}]", "field base_url: the address"),
    ("providers: [{id: p, base_url: 'https://{r}.example/v1'}]", "must name the same: r"),
    ("providers: [{id: p, base_url: 'https://{r.example/v1'}]", "brace"),
    ("providers: [{id: p, protocol: file, base_url: 'https://p.example'}]", "has no base_url"),
    ("providers: [{id: p, base_url: 'https://p.example', tuned_names: '('}]", "field tuned_names"),
    ("providers: [{id: p, base_url: 'https://p.example', tuned_names: 'x'}]", "group named base"),
    (SMALL.replace("provider: p", "provider: q"), "unlisted providers: q"),
    (SMALL.replace("id: plain", "id: small"), "listed twice: p small"),
    (SMALL.replace("25", "0"), r"line 7, base_models 'small', field limits.min_examples"),
    (SMALL.replace("en: s", "e: s", 1), r"base_models 'small', field name.en"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_a_mistake_is_told_with_file_line_entry_and_field(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=told) as refused:
        Catalogue(path)
    assert str(path) in str(refused.value)
    assert "MORTARBOARD_CATALOGUE" in str(refused.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(CatalogueError, match="No such file"):
        Catalogue(Path("/nowhere/catalogue.yaml"))


def test_a_changed_file_is_taken_in_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path, clock = tmp_path / "catalogue.yaml", Clock()
    path.write_text(SMALL)
    found = Catalogue(path, clock=clock)

    path.write_text(SMALL.replace("25", "31 "))
    assert found.min_examples("small") == 25  # not looked again yet
    clock.now += module.LOOK_EVERY
    assert found.min_examples("small") == 31

    path.write_text("providers: [")
    clock.now += module.LOOK_EVERY
    assert found.min_examples("small") == 31
    assert module.catalogue_broken._value.get() == 1

    path.unlink()
    clock.now += module.LOOK_EVERY
    assert found.min_examples("small") == 31

    path.write_text(SMALL.replace("25", "7"))
    clock.now += module.LOOK_EVERY
    assert found.min_examples("small") == 7
    assert module.catalogue_broken._value.get() == 0


# here the word is the name of a file format, in calls that scripts already make
FORMATS = {"lines.py", "http_files.py", "export_examples.py", "version_files.py"}


def test_no_code_knows_a_provider_by_its_name() -> None:
    names = {str(one["id"]) for one in yaml.safe_load(CATALOGUE.read_text())["providers"]}
    known = re.compile("|".join(names - {"file", "compatible"}), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for folder in ("services", "contracts/contracts")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name not in FORMATS
        for line, text in _words(ast.parse(path.read_text(encoding="utf-8")))
        if known.search(text) and " " not in text
    ]
    assert found == []


def _words(tree: ast.AST) -> list[tuple[int, str]]:
    """Every text in code but annotations of the client's types."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and not re.fullmatch(r"[A-Za-z]+OpenAI", node.value)
    ]
