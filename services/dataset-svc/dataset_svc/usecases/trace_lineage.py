"""Follow a dialog, example, version, run, model or activation back to the dialogs and on to what serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from chassis.database import Connection
from chassis.tombstones import digest
from dataset_svc.domain.lineage import Kind, Place, VersionId, read_route_id, read_uuid, read_version_id
from dataset_svc.domain.lineage_problems import no_lineage
from dataset_svc.outbound import lineage_run_store as run_store
from dataset_svc.outbound import lineage_store as store
from dataset_svc.outbound.lineage_run_store import Named
from dataset_svc.outbound.row import Row

FOLLOWED = 1_000
"""Places in versions that are followed on from one dialog or example, the newest first."""
SHOWN = 200


@dataclass(slots=True)
class Side:
    """What lies on one side of a node, newest first; `complete`: no more than what is here."""

    examples: list[Row] = field(default_factory=list)
    pins: list[Row] = field(default_factory=list)
    versions: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    models: list[Row] = field(default_factory=list)
    activations: list[Row] = field(default_factory=list)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Lineage:
    """A node with what it came of and what came of it; `rows` say what is known of itself.

    `counts`, where versions lie before the node: how many examples they hold, how many of them are erased;
    `before.examples` are a page of those.
    """

    kind: Kind
    id: str
    rows: list[Row]
    before: Side
    after: Side
    counts: Row | None = None
    erased: Row | None = None
    revisions: list[Row] = field(default_factory=list)
    targets: list[Row] = field(default_factory=list)

    @property
    def serves_now(self) -> bool:
        """Whether something that came of it answers clients now."""
        return any(one["serves"] for one in self.after.activations)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose node, and which page of the examples before it."""

    connection: Connection
    tenant: str
    id: str
    after: Place | None
    limit: int


async def trace_lineage(kind: Kind, asked: Asked) -> Lineage:
    """Return the node with both its sides; raises a 404 Problem for what is not known here."""
    return await _TRACES[kind](asked)


async def _of_dialog(asked: Asked) -> Lineage:
    connection, tenant, hmac = asked.connection, asked.tenant, digest(asked.tenant, asked.id)
    rows = await store.dialog(connection, tenant, asked.id)
    erased = await store.erased_at(connection, tenant, hmac)
    examples = await store.examples_of_dialog(connection, tenant, asked.id, hmac, FOLLOWED)
    if not rows and erased is None and not examples:
        raise no_lineage("dialog")
    after = await _after_examples(asked, examples)
    return Lineage(
        "dialog", asked.id, rows, Side(), after, erased=erased, targets=await _targets(asked, after)
    )


async def _of_example(asked: Asked) -> Lineage:
    example_id = read_uuid(asked.id)
    connection, tenant = asked.connection, asked.tenant
    row = await store.example(connection, tenant, example_id) if example_id else None
    if row is None or example_id is None:
        raise no_lineage("example")
    revisions = await store.revisions(connection, tenant, example_id)
    copies = await store.copies(connection, tenant, example_id, FOLLOWED)
    after = await _after_examples(asked, [row, *copies])
    after.examples = copies
    return Lineage(
        "example", str(example_id), [row], Side(), after, revisions=revisions,
        targets=await _targets(asked, after),
    )  # fmt: skip


async def _of_version(asked: Asked) -> Lineage:
    wanted = read_version_id(asked.id)
    rows = await store.versions(asked.connection, asked.tenant, [wanted]) if wanted else []
    if not rows or wanted is None:
        raise no_lineage("version")
    before, after = Side(), await _after_versions(asked, [wanted])
    counts = await _page(asked, before, [wanted])
    targets = await _targets(asked, after)
    return Lineage("version", str(wanted), rows, before, after, counts, targets=targets)


async def _of_run(asked: Asked) -> Lineage:
    run_id = read_uuid(asked.id)
    rows = await run_store.runs(asked.connection, asked.tenant, [run_id]) if run_id else []
    if not rows:
        raise no_lineage("run")
    before, after = await _before_runs(asked, rows), await _after_runs(asked, rows)
    counts = await _versions_before(asked, before, rows)
    before.runs = _other_than(before.runs, rows, "run_id")
    after.runs = _other_than(after.runs, rows, "run_id")
    targets = await _targets(asked, after)
    return Lineage("run", str(run_id), rows, before, after, counts, targets=targets)


async def _of_model(asked: Asked) -> Lineage:
    rows = await run_store.models_named(asked.connection, asked.tenant, asked.id)
    if not rows:
        raise no_lineage("model")
    before = await _before_models(asked, rows)
    counts = await _versions_before(asked, before, before.runs)
    after = await _after_models(asked, rows)
    after.models = _other_than(after.models, rows, "run_id", "model")
    targets = await _targets(asked, after)
    return Lineage("model", asked.id, rows, before, after, counts, targets=targets)


async def _of_activation(asked: Asked) -> Lineage:
    connection, tenant = asked.connection, asked.tenant
    row = await run_store.activation(connection, tenant, asked.id, read_route_id(asked.id))
    if row is None:
        raise no_lineage("activation")
    targets = await run_store.models_of_activations(connection, tenant, [row["id"]])
    made = await run_store.models(connection, tenant, _names(targets))
    before = await _before_models(asked, made)
    before.models = _once([*made, *before.models], "run_id", "model")
    counts = await _versions_before(asked, before, before.runs)
    return Lineage("activation", row["id"], [row], before, Side(activations=[row]), counts, targets=targets)


_TRACES: dict[Kind, Callable[[Asked], Awaitable[Lineage]]] = {
    "dialog": _of_dialog,
    "example": _of_example,
    "version": _of_version,
    "run": _of_run,
    "model": _of_model,
    "activation": _of_activation,
}


async def _after_examples(asked: Asked, examples: Sequence[Row]) -> Side:
    pins = await store.pins(
        asked.connection, asked.tenant, [one["id"] for one in examples], FOLLOWED + 1
    )  # fmt: skip
    followed = pins[:FOLLOWED]
    wanted = list(dict.fromkeys(VersionId(one["dataset_id"], one["version"]) for one in followed))
    side = await _after_versions(asked, wanted)
    side.examples, side.pins = list(examples), followed
    side.versions = await store.versions(asked.connection, asked.tenant, wanted)
    side.complete = side.complete and len(pins) <= FOLLOWED and len(examples) < FOLLOWED
    return side


async def _after_versions(asked: Asked, wanted: Sequence[VersionId]) -> Side:
    return await _after_runs(
        asked, await run_store.runs_of_versions(asked.connection, asked.tenant, wanted)
    )  # fmt: skip


async def _after_runs(asked: Asked, runs: Sequence[Row]) -> Side:
    """Return these runs, those that went on from their models, the models of all and what they served."""
    side = Side(runs=list(runs))
    new = list(runs)
    while new:
        made = await run_store.models_of_runs(
            asked.connection, asked.tenant, [one["run_id"] for one in new]
        )  # fmt: skip
        side.models += made
        on = await run_store.runs_from_models(asked.connection, asked.tenant, _names(made))
        new = _other_than(on, side.runs, "run_id")
        side.runs += new
    await _served(asked, side, side.models)
    return side


async def _after_models(asked: Asked, models: Sequence[Row]) -> Side:
    on = await run_store.runs_from_models(asked.connection, asked.tenant, _names(models))
    side = await _after_runs(asked, on)
    await _served(asked, side, [*models, *side.models])
    return side


async def _served(asked: Asked, side: Side, models: Sequence[Row]) -> None:
    side.activations = await run_store.activations_of_models(
        asked.connection, asked.tenant, _names(models), SHOWN
    )  # fmt: skip
    side.complete = len(side.activations) < SHOWN


async def _before_models(asked: Asked, models: Sequence[Row]) -> Side:
    run_ids = list({one["run_id"] for one in models})
    runs = await run_store.runs(asked.connection, asked.tenant, run_ids)
    return await _before_runs(asked, runs)


async def _before_runs(asked: Asked, runs: Sequence[Row]) -> Side:
    """Return these runs, the models that they went on from, and the runs that made those."""
    side, new = Side(runs=list(runs)), list(runs)
    while new:
        bases = [(one["provider"], one["settings"]["base_model"]) for one in new]
        found = await run_store.models(asked.connection, asked.tenant, list(dict.fromkeys(bases)))
        side.models = _once([*side.models, *found], "run_id", "model")
        made_by = [one["run_id"] for one in found]
        new = _other_than(
            await run_store.runs(asked.connection, asked.tenant, made_by), side.runs, "run_id"
        )  # fmt: skip
        side.runs += new
    return side


async def _versions_before(asked: Asked, side: Side, runs: Sequence[Row]) -> Row:
    """Put the versions of runs, and of those before them, on this side, with a page of their examples."""
    every = _once([*runs, *side.runs], "run_id")
    wanted = sorted({VersionId(one["dataset_id"], one["version"]) for one in every})
    side.versions = await store.versions(asked.connection, asked.tenant, wanted)
    return await _page(asked, side, wanted)


async def _page(asked: Asked, side: Side, wanted: Sequence[VersionId]) -> Row:
    """Put a page of what versions hold on this side, one more than asked for; returns the counts."""
    side.examples = await store.pinned(
        asked.connection, asked.tenant, wanted, asked.after, asked.limit + 1
    )  # fmt: skip
    return await store.count_pinned(asked.connection, asked.tenant, wanted)


async def _targets(asked: Asked, side: Side) -> list[Row]:
    shown = [one["id"] for one in side.activations]
    return await run_store.models_of_activations(asked.connection, asked.tenant, shown)


def _names(rows: Iterable[Row]) -> list[Named]:
    return list(dict.fromkeys((one["provider"], one["model"]) for one in rows))


def _once(rows: Iterable[Row], *by: str) -> list[Row]:
    return list({tuple(one[name] for name in by): one for one in rows}.values())


def _other_than(rows: Iterable[Row], known: Iterable[Row], *by: str) -> list[Row]:
    seen = {tuple(one[name] for name in by) for one in known}
    return [one for one in _once(rows, *by) if tuple(one[name] for name in by) not in seen]
