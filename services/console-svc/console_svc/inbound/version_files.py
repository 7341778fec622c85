"""Examples as files: taken away as JSON Lines, and brought in with a report of the lines that are wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from console_svc.inbound.asking import Asking, part
from console_svc.inbound.datasets import path_of
from console_svc.inbound.page import page, told
from console_svc.inbound.tuning_requests import Examples, Once
from console_svc.outbound.backends import Refusal

FAILURES = 50
BLOCK = 1 << 18
LINES = "application/x-ndjson"
PATIENCE = 120.0
"""Seconds for which an upload may be silent: dataset-svc answers once it has stored the whole file."""
Format = Literal["openai", "json"]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add export and import."""

    @routes.get("/versions/{agent_id}/export")
    async def export(
        request: Request,
        agent_id: str,
        wanted: Annotated[Examples, Query()],
        form: Annotated[Format, Query(alias="format")] = "openai",
    ) -> Response:
        """Pass the file on as it comes; what is refused is said on a page."""
        path = await path_of(request, ask, agent_id)
        query = wanted.filter() | {"format": form}
        answer = await ask.stream(request, "datasets", "GET", f"{path}/export", params=query)
        disposition = f'attachment; filename="examples-{form}.jsonl"'
        return StreamingResponse(
            answer.aiter_bytes(), media_type=LINES, headers={"Content-Disposition": disposition},
            background=BackgroundTask(answer.aclose),
        )  # fmt: skip

    @routes.post("/versions/{agent_id}/import")
    async def bring_in(
        request: Request,
        agent_id: str,
        file: Annotated[UploadFile, File()],
        form: Annotated[Format, Form(alias="format")] = "openai",
        mode: Annotated[Literal["all_or_nothing", "best_effort"], Form()] = "all_or_nothing",
        state: Annotated[Literal["", "draft", "saved"], Form()] = "",
        key: Annotated[Once, Form()] = "",
    ) -> Response:
        """Hand the file on, then show how far it is."""
        refused, one, status = None, None, 200
        query = {"format": form, "mode": mode} | ({"state": state} if state else {})
        try:
            path = await path_of(request, ask, agent_id)
            one = await ask(
                request, "datasets", "POST", f"{path}/import", params=query, content=_blocks(file),
                headers={"Content-Type": LINES, "Idempotency-Key": key or str(uuid4())}, timeout=PATIENCE,
            )  # fmt: skip
        except Refusal as refusal:
            refused, status = told(request, refusal), refusal.status
        return page(
            request,
            "import_progress.html",
            status,
            agent_id=agent_id,
            one=one,
            refused=refused,
            failures=None,
        )

    @routes.get("/versions/{agent_id}/import/{operation_id}")
    async def progress(request: Request, agent_id: str, operation_id: UUID) -> Response:
        """Show how far an import is, and each bad line by its number once it is over."""
        one = await ask(request, "datasets", "GET", f"/v1/operations/{operation_id}")
        failures = None
        if one["finished_at"]:
            failures = await _failures(request, ask, operation_id, "")
        return page(
            request, "import_progress.html", agent_id=agent_id, one=one, refused=None, failures=failures
        )

    @routes.post("/versions/{agent_id}/import/{operation_id}/undo")
    async def undo(request: Request, agent_id: str, operation_id: UUID) -> Response:
        """Take an import back."""
        one = await ask(request, "datasets", "POST", f"/v1/operations/{operation_id}/undo")
        return page(request, "import_progress.html", agent_id=agent_id, one=one, refused=None, failures=None)

    @routes.get("/versions/{agent_id}/import/{operation_id}/lines")
    async def lines(
        request: Request, agent_id: str, operation_id: UUID, cursor: Annotated[str, Query(max_length=32)]
    ) -> Response:
        """Show further bad lines."""
        failures = await _failures(request, ask, operation_id, cursor)
        return page(
            request, "import_lines.html", agent_id=agent_id, operation_id=operation_id, failures=failures
        )


async def _failures(request: Request, ask: Asking, operation_id: UUID, cursor: str) -> object:
    query = {"limit": str(FAILURES)} | ({"cursor": cursor} if cursor else {})
    path = f"/v1/operations/{operation_id}/failures"
    return await part(request, ask(request, "datasets", "GET", path, params=query))


async def _blocks(file: UploadFile) -> AsyncIterator[bytes]:
    while block := await file.read(BLOCK):
        yield block
