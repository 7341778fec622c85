"""The fewest examples come from the operators' catalogue, else from the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_svc.outbound.catalogue import CatalogueError, read_catalogue


def test_the_minimum_is_the_catalogues_for_a_model_and_for_the_owners_own_made_from_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text("base_models: [{id: small, limits: {min_examples: 25}}, {id: plain}]")
    catalogue = read_catalogue(path, 10)
    assert catalogue.min_examples("small") == 25
    assert catalogue.min_examples("ft:small:org:shop:abc") == 25
    assert catalogue.min_examples("plain") == catalogue.min_examples("unlisted") == 10
    assert read_catalogue(None, 3).min_examples("small") == 3


@pytest.mark.parametrize(
    "text", ["base_models: 7", "base_models: [{id: x, limits: {min_examples: 0}}]", "a: ["]
)
def test_a_catalogue_that_cannot_be_read_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match="MORTARBOARD_CATALOGUE"):
        read_catalogue(path, 10)
    with pytest.raises(CatalogueError):
        read_catalogue(tmp_path / "nowhere.yaml", 10)
