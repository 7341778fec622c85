"""`mortarboardctl` as an operator types it, with the settings of a test's servers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.access import OPERATOR
from deploy.stack.databases import ROLES
from deploy.stack.services import Surroundings
from tests.harness import ROOT

Ctl = Callable[..., subprocess.CompletedProcess[str]]


async def name_object(surroundings: Surroundings, path: str, body: bytes) -> None:
    """Let a row name an object, which need not be there."""
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute(
            "INSERT INTO dataset_svc.candidates (tenant_id, dialog_id, revision, branch, agent_id, source, "
            "message_count, ended_at, uri, sha256) "
            "VALUES ('acme', $1, 1, 'b', 'a', 'live', 1, now(), $1, $2)",
            path,
            hashlib.sha256(body).hexdigest(),
        )


def operators_tool(surroundings: Surroundings, folder: Path, **settings: str) -> Ctl:
    """What runs a command; passwords and the administrator's address are files in `folder`."""
    passwords = folder / "passwords"
    passwords.mkdir()
    for role in ROLES:
        (passwords / role).write_text(surroundings.databases.passwords[role] + "\n")
    admin = folder / "admin"
    admin.write_text(surroundings.databases.admin_url)
    secure = surroundings.secure.kafka_environment(OPERATOR) if surroundings.secure else {}
    environment = {
        **os.environ,
        **secure,
        "MORTARBOARD_KAFKA_BOOTSTRAP": surroundings.kafka_bootstrap,
        "MORTARBOARD_TOPIC_PREFIX": surroundings.topic_prefix,
        "MORTARBOARD_OBJECTS_URL": surroundings.objects.as_uri(),
        "MORTARBOARD_POSTGRES_ADMIN_URL_FILE": str(admin),
        "MORTARBOARD_ROLE_PASSWORDS": str(passwords),
        "MORTARBOARD_DATABASE_NAME": surroundings.database,
        **settings,
    }

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "deploy.ctl", *arguments],
            env=environment | changes, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run
