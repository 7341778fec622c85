"""What a secure stack makes up for itself at its first start: certificates and Kafka passwords."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.kafka_settings import KafkaSettings, kafka_from
from contracts.access import OPERATOR, access
from deploy.stack import files
from deploy.stack.certificates import HERE, Authority

ADMIN = "admin"
"""Kafka's super user: the broker itself, and whoever sets the others up."""
SECURE = "secure"
"""The folder's name below the stack's data."""
MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class Secure:
    """The folder of a secure stack's certificates and passwords, each in a file of its own."""

    folder: Path

    @classmethod
    def kept_in(cls, folder: Path) -> "Secure":
        """Find what is there, make what is missing."""
        authority = Authority(folder)
        for server in ("kafka", "postgres"):
            if not (folder / f"{server}.crt").exists():
                certificate, key = authority.issue(server, HERE)
                if server == "kafka":  # the form in which Kafka reads a key store
                    files.write_whole(folder / "kafka.pem", key.read_text() + certificate.read_text())
        for user in (ADMIN, *access()):
            if not (folder / f"{user}.password").exists():
                files.write_whole(folder / f"{user}.password", secrets.token_urlsafe(24))
        return cls(folder)

    @property
    def ca(self) -> Path:
        """Who signed the servers' certificates."""
        return self.folder / "ca.pem"

    @property
    def postgres_parameters(self) -> dict[str, str]:
        """What makes an address of PostgreSQL one by TLS."""
        return {"sslmode": "verify-full", "sslrootcert": str(self.ca)}

    def postgres_settings(self) -> dict[str, str]:
        """The database server's own, as its command line has them."""
        return {
            "ssl": "on",
            "ssl_cert_file": str(self.folder / "postgres.crt"),
            "ssl_key_file": str(self.folder / "postgres.key"),
            "ssl_ca_file": str(self.ca),
            "ssl_min_protocol_version": "TLSv1.3",
        }

    def address_file(self, database: str, role: str) -> Path:
        """Where the address of a database for a role is, password included."""
        return self.folder / f"{database}.{role}.url"

    def password_file(self, user: str) -> Path:
        """Where a Kafka user's password is."""
        return self.folder / f"{user}.password"

    def passwords(self) -> Mapping[str, str]:
        """The password of every Kafka user but the administrator, by name."""
        return {user: self.password_file(user).read_text() for user in access()}

    def kafka_environment(self, user: str) -> dict[str, str]:
        """The settings of one Kafka user but the address, as environment variables."""
        values = {
            "SECURITY": "SASL_SSL",
            "CA_FILE": str(self.ca),
            "SASL_MECHANISM": MECHANISM,
            "USERNAME": user,
            "PASSWORD_FILE": str(self.password_file(user)),
        }
        return {f"MORTARBOARD_KAFKA_{name}": value for name, value in values.items()}

    def kafka(self, bootstrap: str, user: str = OPERATOR) -> KafkaSettings:
        """The same as settings."""
        return kafka_from(self.kafka_environment(user) | {"MORTARBOARD_KAFKA_BOOTSTRAP": bootstrap})

    def broker_settings(self) -> dict[str, str]:
        """The broker's own: SASL_SSL for clients, TLS with certificates for the controller, rights kept."""
        password = self.password_file(ADMIN).read_text()
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        return {
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "sasl.enabled.mechanisms": MECHANISM,
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f'{login} username="{ADMIN}" password="{password}";'
            ),
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "kafka.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:CN=kafka",
            "allow.everyone.if.no.acl.found": "false",
        }

    def format_options(self) -> list[str]:
        """What formatting the broker's folder adds: the administrator, by whom all others are made.

        It is read from a file: on the command line `ps` would show the password.
        """
        password, arguments = self.password_file(ADMIN).read_text(), self.folder / "format.arguments"
        files.write_whole(arguments, f"--add-scram\n{MECHANISM}=[name={ADMIN},password={password}]\n")
        return [f"@{arguments}"]
