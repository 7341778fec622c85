"""Servers for tests with roles, a migrated template database and a token issuer already there."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from deploy.ctl.access import let_in
from deploy.stack import files
from deploy.stack.broker import Broker
from deploy.stack.databases import Databases
from deploy.stack.secure import ADMIN, Secure
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
    secure_folder: str = ""
    """Where certificates and Kafka passwords are; empty when the servers ask for none."""

    @property
    def run(self) -> str:
        """The name of the test run that made it, by which its databases and topics are known."""
        return self.template.removeprefix(TEMPLATE).removeprefix("_")

    @property
    def secure(self) -> Secure | None:
        """The certificates and Kafka passwords."""
        return Secure(Path(self.secure_folder)) if self.secure_folder else None

    @property
    def broker(self) -> Broker:
        """How Kafka's administrator reaches it."""
        return self.secure.kafka(self.bootstrap, ADMIN) if self.secure else self.bootstrap

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
    bootstrap: str,
    admin_url: str,
    issuer: str,
    run: Path,
    secure: Secure | None = None,
    template: str = TEMPLATE,
) -> Prepared:
    """Make the roles and the migrated template database that tests get copies of; Kafka's users, too."""
    own = Secrets.kept_in(run / "data" / "secrets.json")
    folder = str(secure.folder) if secure else ""
    passwords = dict(own.passwords)
    prepared = Prepared(
        bootstrap, admin_url, passwords, own.master_key, issuer, template, secure_folder=folder
    )
    if secure:
        await let_in(prepared.broker, secure.passwords())
    await prepared.databases.create_roles()
    await prepared.databases.create(template)
    await prepared.databases.migrate(template, run / "logs")
    return prepared
