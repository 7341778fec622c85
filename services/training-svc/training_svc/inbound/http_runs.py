"""HTTP: runs, what their owner wants of them, their diary, curves and files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from chassis.auth import Caller
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.errors import Problem
from chassis.http import CallerDep, language
from chassis.objects import DamagedObjectError, ForeignUriError, MissingObjectError, ObjectStore
from training_svc.domain.errors import file_gone, no_run
from training_svc.inbound.parameters import AgentId, Limit
from training_svc.inbound.views import event_view, run_view
from training_svc.outbound import diary_store, run_store
from training_svc.usecases.ask_run import Wish, ask_run
from training_svc.usecases.refresh_run import refresh_run

Status = Literal["unknown", "waiting", "training", "ready", "paused", "failed", "cancelled"]
LINES = "application/x-ndjson"
After = Annotated[int, Query(ge=0, le=2**53)]
Steps = Annotated[int, Query(ge=1, le=5_000)]


def add_endpoints(
    routes: APIRouter,
    database: Database,
    catalogue: Catalogue,
    objects: ObjectStore,
    *,
    refresh_gap: float,
    wake: Callable[[], None],
) -> None:
    """Add the endpoints about runs."""
    _add_reading(routes, database)
    _add_diary(routes, database)
    _add_wishes(routes, database, catalogue, refresh_gap, wake)
    _add_files(routes, database, objects)


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/runs")
    async def list_runs(
        request: Request,
        caller: CallerDep,
        agent_id: AgentId = None,
        status: Status | None = None,
        limit: Limit = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """List runs, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            runs = await run_store.of_agent(
                transaction.connection,
                caller.tenant,
                agent_id,
                status=status,
                before=str(cursor) if cursor else None,
                limit=limit,
            )
        items = [run_view(run, language(request)) for run in runs]
        return {"items": items, "next_cursor": items[-1]["run_id"] if len(items) == limit else None}

    @routes.get("/v1/runs/{run_id}")
    async def get_run(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Return a run."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            run = await run_store.get(transaction.connection, caller.tenant, str(run_id))
        if run is None:
            raise no_run()
        return run_view(run, language(request))


def _add_diary(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/runs/{run_id}/events")
    async def list_events(
        request: Request, caller: CallerDep, run_id: UUID, limit: Limit = 100
    ) -> dict[str, Any]:
        """List what the provider said on the way, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await run_store.get(transaction.connection, caller.tenant, str(run_id)) is None:
                raise no_run()
            rows = await diary_store.events(transaction.connection, caller.tenant, str(run_id), limit)
        return {"items": [event_view(row, language(request)) for row in rows]}

    @routes.get("/v1/runs/{run_id}/metrics")
    async def list_metrics(
        caller: CallerDep, run_id: UUID, after_step: After = 0, limit: Steps = 1_000
    ) -> dict[str, Any]:
        """Return the curves of a run by step; a figure that was not measured at a step is not there."""
        connection_of, tenant, run = database.tenant_transaction, caller.tenant, str(run_id)
        async with connection_of(tenant) as transaction:
            if await run_store.get(transaction.connection, tenant, run) is None:
                raise no_run()
            rows = await diary_store.metrics(transaction.connection, tenant, run, after_step, limit)
            last = await diary_store.last_figures(transaction.connection, tenant, run)
        items = [{"step": row["step"], **row["figures"]} for row in rows]
        following = items[-1]["step"] if len(items) == limit else None
        return {"items": items, "last": last, "next_after_step": following}


def _add_wishes(
    routes: APIRouter, database: Database, catalogue: Catalogue, gap: float, wake: Callable[[], None]
) -> None:
    async def ask(request: Request, caller: Caller, run_id: UUID, wish: Wish) -> dict[str, Any]:
        async with database.tenant_transaction(caller.tenant) as transaction:
            run = await ask_run(
                transaction,
                tenant=caller.tenant,
                subject=caller.subject,
                run_id=str(run_id),
                wish=wish,
                catalogue=catalogue,
            )
        wake()
        return run_view(run, language(request))

    @routes.post("/v1/runs/{run_id}/refresh")
    async def refresh(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Ask the provider now, at most once in a while, and return the run."""
        run = await refresh_run(database, tenant=caller.tenant, run_id=str(run_id), gap=gap, wake=wake)
        return run_view(run, language(request))

    @routes.post("/v1/runs/{run_id}/cancel", status_code=202)
    async def cancel(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Ask for the run to be cancelled; `asked` stands until the provider agrees."""
        return await ask(request, caller, run_id, "cancel")

    @routes.post("/v1/runs/{run_id}/pause", status_code=202)
    async def pause(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Ask for the run to be paused; `asked` stands until the provider agrees."""
        return await ask(request, caller, run_id, "pause")

    @routes.post("/v1/runs/{run_id}/resume", status_code=202)
    async def resume(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Ask for a paused run to go on; `asked` stands until the provider agrees."""
        return await ask(request, caller, run_id, "resume")


def _add_files(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    @routes.get(
        "/v1/runs/{run_id}/file",
        response_class=Response,
        responses={200: {"content": {LINES: {"schema": {"type": "string"}}}}},
    )
    async def download(
        caller: CallerDep, run_id: UUID, part: Literal["training", "validation"] = "training"
    ) -> StreamingResponse:
        """Return the run's training or validation file (JSONL), to take away."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            run = await run_store.get(transaction.connection, caller.tenant, str(run_id))
        if run is None:
            raise no_run()
        file = run.request.training if part == "training" else run.request.validation
        if file is None or run.withdrawn:
            raise file_gone(part)
        chunks = objects.stream(file.uri, caller.tenant)
        first = await _first(chunks, file_gone(part))
        name = f"{run.request.dataset_id}-{run.request.version}-{part}.jsonl"
        return StreamingResponse(
            _rest(first, chunks),
            media_type=LINES,
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(file.bytes),
                "ETag": f'"{file.sha256}"',
            },
        )


async def _first(chunks: AsyncIterator[bytes], gone: Problem) -> bytes:
    """Return the first chunk: only before the answer begins can it still be a refusal."""
    try:
        return await anext(chunks, b"")
    except (MissingObjectError, DamagedObjectError, ForeignUriError):
        raise gone from None


async def _rest(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk
