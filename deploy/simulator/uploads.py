"""Uploads: a large file in parts."""

import asyncio
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.simulator import errors
from deploy.simulator.fault_answers import refusal
from deploy.simulator.files import check_purpose, check_training_start, file_object
from deploy.simulator.posing import pose_of
from deploy.simulator.records import FileRecord, UploadRecord
from deploy.simulator.wire import Simulator, caller, integer, json_body, new_id, simulator, text

LIFE = 3600
MAX_BYTES = 8 * 1024**3
MAX_PART = 64 * 1024**2


def _object(sim: Simulator, upload: UploadRecord) -> dict[str, object]:
    file = sim.store.file(upload.account, upload.file_id, sim.clock()) if upload.file_id else None
    return {
        "object": "upload",
        "id": upload.id,
        "bytes": upload.bytes,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "created_at": upload.created_at,
        "expires_at": upload.expires_at,
        "status": upload.status,
        "file": file_object(file) if file else None,
    }


async def create_upload(request: Request) -> Response:
    """POST /uploads: filename, purpose, bytes, mime_type."""
    account, sim, body = caller(request), simulator(request), await json_body(request)
    if not pose_of(request).uploads:
        raise errors.no_route("POST", request.url.path)
    if account.manner == "narrow":
        raise refusal("missing_scope")
    filename, purpose, size = (
        text(body, "filename"),
        text(body, "purpose"),
        integer(body, "bytes", 1, MAX_BYTES),
    )
    text(body, "mime_type")
    if size is None:
        raise errors.missing("bytes")
    check_purpose(purpose, filename)
    now = int(sim.clock())
    upload = UploadRecord(new_id("upload_"), account.id, filename, purpose, size, now, now + LIFE)
    sim.store.put_upload(upload)
    return JSONResponse(_object(sim, upload))


def _pending(request: Request) -> UploadRecord:
    account, sim, upload_id = caller(request), simulator(request), request.path_params["upload_id"]
    upload = sim.store.upload(account.id, upload_id)
    if upload is None:
        raise errors.no_upload(upload_id)
    if upload.status == "pending" and upload.expires_at <= sim.clock():
        upload = replace(upload, status="expired")
        sim.store.put_upload(upload)
    if upload.status != "pending":
        raise errors.ApiError(400, f"Upload {upload.id} is {upload.status}.", param="upload_id")
    return upload


async def add_part(request: Request) -> Response:
    """POST /uploads/{id}/parts: multipart with `data`."""
    upload, sim = _pending(request), simulator(request)
    async with request.form(max_files=1) as form:
        data = form.get("data")
        if not isinstance(data, UploadFile):
            raise errors.missing("data")
        content = await data.read(MAX_PART + 1)
    if not 0 < len(content) <= MAX_PART:
        raise errors.ApiError(400, "A part must have 1 byte to 64 MB.", param="data")
    part_id = new_id("part_")
    await asyncio.to_thread(sim.store.blob(part_id).write_bytes, content)
    sim.store.add_part(part_id, upload.id, len(content))
    part = {"object": "upload.part", "id": part_id, "upload_id": upload.id, "created_at": int(sim.clock())}
    return JSONResponse(part)


async def complete_upload(request: Request) -> Response:
    """POST /uploads/{id}/complete: part_ids in order, optionally the md5 of the whole."""
    upload, sim, body = _pending(request), simulator(request), await json_body(request)
    part_ids, known = body.get("part_ids"), sim.store.parts(upload.id)
    if not isinstance(part_ids, list) or not part_ids or not all(part in known for part in part_ids):
        raise errors.wrong_value("part_ids", "must be ids of this upload's parts, in order")
    if sum(known[part] for part in part_ids) != upload.bytes:
        raise errors.wrong_value("part_ids", f"the parts do not have {upload.bytes} bytes together")
    file_id, md5 = new_id("file-"), body.get("md5")
    parts = [sim.store.blob(part) for part in part_ids]
    try:
        await asyncio.to_thread(_assemble, parts, sim.store.blob(file_id), md5, upload.purpose)
    except errors.ApiError:
        sim.store.blob(file_id).unlink()
        raise
    now = int(sim.clock())
    sim.store.add_file(
        FileRecord(file_id, upload.account, upload.filename, upload.purpose, upload.bytes, now)
    )
    done = replace(upload, status="completed", file_id=file_id)
    sim.store.put_upload(done)
    _drop_parts(sim, upload)
    return JSONResponse(_object(sim, done))


def _assemble(parts: Sequence[Path], target: Path, md5: object, purpose: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, out)
            digest.update(part.read_bytes())
    if md5 is not None and md5 != digest.hexdigest():
        raise errors.wrong_value("md5", "the checksum of the assembled file differs")
    if purpose == "fine-tune":
        check_training_start(target)


async def cancel_upload(request: Request) -> Response:
    """POST /uploads/{id}/cancel."""
    upload, sim = _pending(request), simulator(request)
    cancelled = replace(upload, status="cancelled")
    sim.store.put_upload(cancelled)
    _drop_parts(sim, upload)
    return JSONResponse(_object(sim, cancelled))


def _drop_parts(sim: Simulator, upload: UploadRecord) -> None:
    for part in sim.store.parts(upload.id):
        sim.store.blob(part).unlink(missing_ok=True)
