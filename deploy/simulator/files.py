"""Files: upload, list, read, delete."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import IO

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from deploy.simulator import errors
from deploy.simulator.accounts import Account
from deploy.simulator.fault_answers import refusal
from deploy.simulator.job_objects import settle
from deploy.simulator.posing import pose_of
from deploy.simulator.records import FileRecord
from deploy.simulator.wire import Simulator, caller, limit, new_id, simulator

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data")
MAX_BYTES = 512 * 1024 * 1024
SHORTEST_LIFE, LONGEST_LIFE = 3600, 2_592_000
MAX_PAGE = 10_000


def file_object(file: FileRecord, *, settled: bool = True) -> dict[str, object]:
    """A file as the API shows it; `settled`: whether it is processed."""
    shown: dict[str, object] = {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": file.bytes,
        "created_at": file.created_at,
        "status": "processed" if settled else "pending",
    }
    if file.expires_at is not None:
        shown["expires_at"] = file.expires_at
    return shown


async def create_file(request: Request) -> Response:
    """POST /files: multipart with `file`, `purpose` and optionally `expires_after`."""
    account, sim = caller(request), simulator(request)
    if account.manner == "narrow":
        raise refusal("missing_scope")
    async with request.form(max_files=1) as form:
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, UploadFile):
            raise errors.missing("file")
        if not isinstance(purpose, str):
            raise errors.missing("purpose")
        check_purpose(purpose, upload.filename or "")
        life = _life(form)
        file_id = new_id("file-")
        await asyncio.to_thread(_write, upload.file, sim.store.blob(file_id))
        file = _add(sim, account, file_id, upload.filename or "", purpose, life)
        sim.settling[file_id] = sim.clock() + pose_of(request).settle_seconds / sim.speed
        return JSONResponse(file_object(file, settled=is_settled(sim, file_id)))


def is_settled(sim: Simulator, file_id: str) -> bool:
    """Whether a file is processed by now."""
    return sim.settling.get(file_id, 0.0) <= sim.clock()


def check_purpose(purpose: str, filename: str) -> None:
    """Refuse purposes and names that the API refuses."""
    if purpose not in PURPOSES:
        raise errors.ApiError(400, f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'")
    if purpose == "fine-tune" and not filename.endswith(".jsonl"):
        raise errors.ApiError(400, "Invalid file format for Fine-Tuning API. Must be .jsonl", param="file")


def check_training_start(path: Path) -> None:
    """The provider looks at the first line of a training file at once, at the rest when a job checks it."""
    with path.open("rb") as content:
        first = content.readline(1_000_000)
    try:
        fine = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        fine = len(first) == 1_000_000  # noqa: PLR2004 - too long to judge here
    if not fine:
        start = first[:5].decode(errors="replace")
        raise errors.ApiError(
            400,
            "Expected file to have JSONL format, where every line is a JSON dictionary. "
            f'Line 1 is not a dictionary (HINT: line starts with: "{start}...").',
        )


def _write(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as out:
        shutil.copyfileobj(source, out, 1024 * 1024)


def _life(form: FormData) -> int | None:
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise errors.wrong_value("expires_after.anchor", "must be 'created_at'")
    if not isinstance(seconds, str) or not re.fullmatch(r"[0-9]{1,9}", seconds):
        raise errors.wrong_type("expires_after.seconds", "an integer")
    if not SHORTEST_LIFE <= int(seconds) <= LONGEST_LIFE:
        raise errors.wrong_value("expires_after.seconds", f"must be {SHORTEST_LIFE} to {LONGEST_LIFE}")
    return int(seconds)


def _add(
    sim: Simulator, account: Account, file_id: str, filename: str, purpose: str, life: int | None
) -> FileRecord:
    """Record a file whose bytes are already in place; refuses (and drops) what can't be one."""
    path, now = sim.store.blob(file_id), int(sim.clock())
    size = path.stat().st_size
    try:
        if size == 0:
            raise errors.ApiError(400, "File is empty.", param="file")
        if size > MAX_BYTES:
            raise errors.ApiError(413, "The file is larger than 512 MB.", param="file")
        if purpose == "fine-tune":
            check_training_start(path)
    except errors.ApiError:
        path.unlink()
        raise
    record = FileRecord(file_id, account.id, filename, purpose, size, now, now + life if life else None)
    sim.store.add_file(record)
    return record


async def list_files(request: Request) -> Response:
    """GET /files with purpose, order, limit, after."""
    account, sim = caller(request), simulator(request)
    settle(sim, account)
    query = request.query_params
    size, order = limit(request, MAX_PAGE, MAX_PAGE), query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise errors.wrong_value("order", "must be 'asc' or 'desc'")
    rows = sim.store.files(account.id, query.get("purpose"), sim.clock())
    if order == "desc":
        rows.reverse()
    if (after := query.get("after")) is not None:
        place = sim.store.file_position(account.id, after)
        if place is None:
            raise errors.no_file(after)
        rows = [row for row in rows if (row[0] > place if order == "asc" else row[0] < place)]
    shown = [file_object(file, settled=is_settled(sim, file.id)) for _, file in rows[:size]]
    return JSONResponse(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else "",
            "last_id": shown[-1]["id"] if shown else "",
            "has_more": len(rows) > size,
        }
    )


def _file(request: Request) -> FileRecord:
    account, sim, file_id = caller(request), simulator(request), request.path_params["file_id"]
    settle(sim, account)
    found = sim.store.file(account.id, file_id, sim.clock())
    if found is None:
        raise errors.no_file(file_id)
    return found


async def get_file(request: Request) -> Response:
    """GET /files/{id}."""
    file = _file(request)
    return JSONResponse(file_object(file, settled=is_settled(simulator(request), file.id)))


async def get_content(request: Request) -> Response:
    """GET /files/{id}/content: the bytes."""
    file = _file(request)
    return FileResponse(simulator(request).store.blob(file.id), media_type="application/octet-stream")


async def delete_file(request: Request) -> Response:
    """DELETE /files/{id}."""
    file = _file(request)
    simulator(request).store.delete_file(file.id)
    return JSONResponse({"id": file.id, "object": "file", "deleted": True})
