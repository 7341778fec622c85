"""Say what became of runs, files at providers and models that were made from what was erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from chassis import observability as seen
from chassis.database import Database, Transaction
from chassis.errors import describe, is_transient
from contracts.dialogs import DialogForgotten, Holding
from training_svc.domain.run import FINAL
from training_svc.outbound import erasure_store as store
from training_svc.outbound.erasure_store import Row

SERVICE = "training-svc"
AT_ONCE = 50
LOOK_AGAIN = 5.0


@dataclass(frozen=True, slots=True)
class ErasureReporter:
    """Looks at open erasures and publishes what changed; claims its rows, so every process may."""

    database: Database

    async def turn(self) -> bool:
        """Look at some; returns whether there may be more."""
        async with self.database.transaction() as transaction:
            claimed = await store.claim(transaction.connection, LOOK_AGAIN, AT_ONCE)
            for row in claimed:
                try:
                    async with transaction.connection.transaction():
                        await _report(transaction, row)
                except Exception as error:
                    if is_transient(error):
                        raise
                    # looked at again later: what is wrong with one erasure holds up no other
                    seen.log().error(
                        "erasure_not_reported", erasure_id=str(row["erasure_id"]), error=describe(error)
                    )
        return len(claimed) == AT_ONCE


async def _report(transaction: Transaction, erasure: Row) -> None:
    connection, tenant, erasure_id = transaction.connection, erasure["tenant_id"], str(erasure["erasure_id"])
    versions = await store.versions_of(connection, tenant, erasure_id)
    runs = await store.runs_of(connection, tenant, erasure_id)
    held = (
        *(
            Holding(kind="version", id=f"{one['dataset_id']}:{one['version']}", state="deleted")
            for one in versions
        ),
        *(holding for run in runs for holding in holdings(run)),
    )
    # a run that went on from such a model says what it makes, but none of its files holds the text
    done = all(one.state != "waiting" for one in held) and all(
        run["status"] in FINAL for run in runs if run["own"]
    )
    reported = {"done": done, "held": [one.model_dump() for one in held]}
    if reported != erasure["reported"]:
        forgotten = DialogForgotten(
            erasure_id=erasure_id, service=SERVICE, state="done" if done else "waiting", held=held,
            at=datetime.now(UTC),
        )  # fmt: skip
        transaction.publish(forgotten, tenant=tenant)
        await store.note_reported(connection, tenant, erasure_id, reported, done=done)


def holdings(run: Row) -> list[Holding]:
    """Return what a run is and has made: its files at the provider, and its models, which cannot unlearn."""
    found = [Holding(kind="run", id=str(run["run_id"]), state="kept")]
    if run["own"]:
        files = dict.fromkeys(one for one in (run["training_file_id"], run["validation_file_id"]) if one)
        found += [Holding(kind="provider_file", id=one, state=_file_state(run)) for one in files]
    return found + [Holding(kind="model", id=one, state="kept") for one in run["models"]]


def _file_state(run: Row) -> Literal["deleted", "waiting", "kept"]:
    """Return what became of a run's files; `kept` are those that the provider would not let us delete."""
    if run["files_state"] == "left":
        return "kept"
    return "deleted" if run["files_state"] == "deleted" else "waiting"
