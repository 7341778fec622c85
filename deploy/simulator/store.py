"""All SQL, and the folder of file contents. One process, one connection; survives kill -9."""

import json
import os
import sqlite3
from dataclasses import asdict
from pathlib import Path

from deploy.simulator.records import FileRecord, Job, ModelRecord, UploadRecord, job_of_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, filename TEXT NOT NULL,
    purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER,
    deleted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS files_of_account ON files (account, seq);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    status TEXT NOT NULL, file_id TEXT);
CREATE TABLE IF NOT EXISTS parts (id TEXT PRIMARY KEY, upload_id TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, body TEXT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS jobs_of_account ON jobs (account, seq);
CREATE TABLE IF NOT EXISTS models (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, account TEXT NOT NULL, job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0);
"""
FILE = "id, account, filename, purpose, bytes, created_at, expires_at"
UPLOAD = "id, account, filename, purpose, bytes, created_at, expires_at, status, file_id"
MODEL = "id, account, job_id, created_at"


class Store:
    """Files, uploads, jobs and models of every account, under one folder."""

    def __init__(self, folder: Path) -> None:
        self.blobs = folder / "blobs"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "simulator.db", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing with NORMAL; only a power cut may.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def blob(self, name: str) -> Path:
        """Where the bytes of a file, a part or a job's training data lie."""
        return self.blobs / name

    def keep_training_data(self, job_id: str, file_id: str) -> None:
        """Give the job its own link to its training data: the file may be deleted, the model still knows."""
        os.link(self.blob(file_id), self.blob(job_id))

    # files

    def add_file(self, file: FileRecord) -> None:
        """Insert a file; the same id twice is one file."""
        self._db.execute(
            f"INSERT OR IGNORE INTO files ({FILE}) VALUES "  # noqa: S608 - column names of ours
            "(:id, :account, :filename, :purpose, :bytes, :created_at, :expires_at)",
            asdict(file),
        )

    def file(self, account: str, file_id: str, now: float) -> FileRecord | None:
        """A file that is neither deleted nor expired."""
        row = self._db.execute(
            f"SELECT {FILE} FROM files WHERE account = ? AND id = ? AND NOT deleted "  # noqa: S608
            "AND (expires_at IS NULL OR expires_at > ?)",
            (account, file_id, now),
        ).fetchone()
        return FileRecord(*row) if row else None

    def file_position(self, account: str, file_id: str) -> int | None:
        """Where a listing goes on; also after a file deleted in the meantime."""
        row = self._db.execute(
            "SELECT seq FROM files WHERE account = ? AND id = ?", (account, file_id)
        ).fetchone()
        return int(row[0]) if row else None

    def files(self, account: str, purpose: str | None, now: float) -> list[tuple[int, FileRecord]]:
        """Live files of an account with their positions, oldest first."""
        rows = self._db.execute(
            f"SELECT seq, {FILE} FROM files WHERE account = ? AND NOT deleted "  # noqa: S608
            "AND (expires_at IS NULL OR expires_at > ?) AND (?3 IS NULL OR purpose = ?3) ORDER BY seq",
            (account, now, purpose),
        )
        return [(row[0], FileRecord(*row[1:])) for row in rows]

    def all_files(self, purpose: str) -> list[FileRecord]:
        """Live files of every account."""
        rows = self._db.execute(
            f"SELECT {FILE} FROM files WHERE NOT deleted AND purpose = ? ORDER BY seq",  # noqa: S608
            (purpose,),
        )
        return [FileRecord(*row) for row in rows]

    def delete_file(self, file_id: str) -> None:
        """Forget a file and its bytes."""
        self._db.execute("UPDATE files SET deleted = 1 WHERE id = ?", (file_id,))
        self.blob(file_id).unlink(missing_ok=True)

    # uploads

    def put_upload(self, upload: UploadRecord) -> None:
        """Insert or replace an upload."""
        self._db.execute(
            f"INSERT OR REPLACE INTO uploads ({UPLOAD}) VALUES (:id, :account, :filename, "  # noqa: S608
            ":purpose, :bytes, :created_at, :expires_at, :status, :file_id)",
            asdict(upload),
        )

    def upload(self, account: str, upload_id: str) -> UploadRecord | None:
        """An upload of an account."""
        row = self._db.execute(
            f"SELECT {UPLOAD} FROM uploads WHERE account = ? AND id = ?",  # noqa: S608
            (account, upload_id),
        ).fetchone()
        return UploadRecord(*row) if row else None

    def add_part(self, part_id: str, upload_id: str, size: int) -> None:
        """Insert a part of an upload."""
        self._db.execute("INSERT INTO parts VALUES (?, ?, ?)", (part_id, upload_id, size))

    def parts(self, upload_id: str) -> dict[str, int]:
        """The parts of an upload: id to bytes."""
        return dict(self._db.execute("SELECT id, bytes FROM parts WHERE upload_id = ?", (upload_id,)))

    # jobs

    def add_job(self, job: Job) -> None:
        """Insert a job."""
        self._db.execute(
            "INSERT INTO jobs (id, account, body) VALUES (?, ?, ?)",
            (job.id, job.account, json.dumps(asdict(job))),
        )

    def update_job(self, job: Job) -> None:
        """Store a job's pauses and cancellation."""
        self._db.execute("UPDATE jobs SET body = ? WHERE id = ?", (json.dumps(asdict(job)), job.id))

    def job(self, account: str, job_id: str) -> Job | None:
        """A job of an account."""
        row = self._db.execute(
            "SELECT body FROM jobs WHERE account = ? AND id = ?", (account, job_id)
        ).fetchone()
        return job_of_json(json.loads(row[0])) if row else None

    def jobs(self, account: str | None) -> list[Job]:
        """Jobs of an account (None: of all), newest first."""
        rows = self._db.execute(
            "SELECT body FROM jobs WHERE ?1 IS NULL OR account = ?1 ORDER BY seq DESC", (account,)
        )
        return [job_of_json(json.loads(row[0])) for row in rows]

    def unsettled_jobs(self, account: str) -> list[Job]:
        """Jobs whose end has not yet been acted on."""
        rows = self._db.execute(
            "SELECT body FROM jobs WHERE account = ? AND NOT settled ORDER BY seq", (account,)
        )
        return [job_of_json(json.loads(row[0])) for row in rows]

    def settle_job(self, job_id: str) -> None:
        """The job's result file and model exist (or it ended without)."""
        self._db.execute("UPDATE jobs SET settled = 1 WHERE id = ?", (job_id,))

    # models

    def add_model(self, model: ModelRecord) -> None:
        """Insert a model; the same id twice is one model."""
        self._db.execute(
            f"INSERT OR IGNORE INTO models ({MODEL}) VALUES (:id, :account, :job_id, :created_at)",  # noqa: S608
            asdict(model),
        )

    def model(self, account: str, model_id: str) -> ModelRecord | None:
        """A model that is not deleted."""
        row = self._db.execute(
            f"SELECT {MODEL} FROM models WHERE account = ? AND id = ? AND NOT deleted",  # noqa: S608
            (account, model_id),
        ).fetchone()
        return ModelRecord(*row) if row else None

    def models(self, account: str) -> list[ModelRecord]:
        """Models of an account, oldest first."""
        rows = self._db.execute(
            f"SELECT {MODEL} FROM models WHERE account = ? AND NOT deleted ORDER BY seq",  # noqa: S608
            (account,),
        )
        return [ModelRecord(*row) for row in rows]

    def delete_model(self, model_id: str) -> None:
        """Forget a model."""
        self._db.execute("UPDATE models SET deleted = 1 WHERE id = ?", (model_id,))
