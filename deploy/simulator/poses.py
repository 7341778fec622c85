"""Whom the simulator poses as: the differences between servers of the files and jobs protocol, by path.

Each pose has a path of its own under one server, and shares files and jobs with the others: an account is
its key. The names are those of `deploy/catalogue.yaml`; another entry of it gets the plainest pose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Pose:
    """What differs from the first provider's own API; the defaults are that provider."""

    path: str = "/v1"
    key_header: str = "authorization"
    query: tuple[tuple[str, str], ...] = ()
    """Parameters that each call must carry."""
    nested: bool = True
    """Whether `method` is known; else only top-level `hyperparameters` are."""
    metadata: Literal["filtered", "kept", "dropped"] = "filtered"
    pauses: bool = True
    checkpoints: bool = True
    uploads: bool = True
    result_files: bool = True
    own_models: bool = True
    settle_seconds: float = 0.0
    """At speed 1: how long a file is `pending`; a job on it is refused until then."""
    any_model: bool = False
    """Whether every name is a base model, and tuned models are named `{name}-tuned-{id}`."""
    tuned_name: str = "ft:{base}:{organisation}:{suffix}:{id}"
    odd: bool = False
    """Whether answers carry fields that nobody described, and an empty `error`."""


POSES: Mapping[str, Pose] = {
    "openai": Pose(),
    "azure": Pose(
        path="/as/azure/{resource}/openai/v1",
        key_header="api-key",
        query=(("api-version", "v1"),),
        metadata="kept",
        uploads=False,
        settle_seconds=1.0,
        tuned_name="{base}.ft-{id}-{suffix}",
    ),
    "nebius": Pose(
        path="/as/nebius/v1",
        nested=False,
        metadata="dropped",
        pauses=False,
        uploads=False,
        result_files=False,
        own_models=False,
        any_model=True,
        tuned_name="{base}-LoRa:{suffix}-{id}",
    ),
    "compatible": Pose(
        path="/as/compatible/{host}/v1",
        nested=False,
        metadata="dropped",
        pauses=False,
        checkpoints=False,
        uploads=False,
        result_files=False,
        own_models=False,
        any_model=True,
        tuned_name="{base}-tuned-{id}",
        odd=True,
    ),
}


def pose_path(provider: Mapping[str, Any]) -> str:
    """Return the path under which the simulator poses as a provider of the catalogue."""
    known = POSES.get(str(provider.get("id")))
    return known.path if known else "/as/compatible/any/v1"
