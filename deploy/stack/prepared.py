"""Servers for tests with roles, a migrated template database and a token issuer already there."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from deploy.stack import files
from deploy.stack.databases import Databases
from deploy.stack.services import Secrets

TEMPLATE = "mortarboard_template"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a test needs to reach servers and to make databases and topics of its own."""

    bootstrap: str
    admin_url: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)
    master_key: str = field(repr=False)
    issuer: str
    template: str = TEMPLATE

    @property
    def databases(self) -> Databases:
        """The PostgreSQL server as its administrator sees it."""
        return Databases(self.admin_url, self.passwords)

    def write(self, path: Path) -> None:
        """Keep it for other processes of the same test session."""
        files.write_whole(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text()))


async def prepare(
    bootstrap: str, admin_url: str, issuer: str, run: Path, template: str = TEMPLATE
) -> Prepared:
    """Make the roles and the migrated template database that tests are given copies of."""
    own = Secrets.kept_in(run / "data" / "secrets.json")
    prepared = Prepared(bootstrap, admin_url, dict(own.passwords), own.master_key, issuer, template)
    await prepared.databases.create_roles()
    await prepared.databases.create(template)
    await prepared.databases.migrate(template, run / "logs")
    return prepared
