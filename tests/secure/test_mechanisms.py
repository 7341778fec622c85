"""Every way to say who one is, against a real broker; certificates and tokens that change."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from chassis.database import Database
from chassis.kafka_settings import KafkaSettings, kafka_from
from chassis.kafka_watch import in_words, knock
from deploy.ctl import wire
from deploy.stack.broker import reached
from deploy.stack.certificates import Authority
from deploy.stack.kafka import Kafka
from deploy.stack.secure import MECHANISM
from deploy.stack.servers import Servers
from deploy.stack.settings import free_ports
from deploy.stack.topics import admin, create_topics
from tests.harness import PORTS, until

LOGIN = "org.apache.kafka.common.security"
TOPIC = "chat.events"
LIVES_S = 5


@dataclass
class Issuer:
    """An issuer of tokens by client credentials, which counts them."""

    secret: str = "the client's secret"
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}))
    given: int = 0
    asked_for: list[str] = field(default_factory=list)
    url: str = ""

    def token(self, client: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "kafka", "sub": client, "iat": now, "exp": now + LIVES_S}
        self.given += 1
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    one = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, KeySet([one.key]).as_dict(private=False))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            client, _, secret = (
                base64.b64decode(self.headers["Authorization"].split()[1]).decode().partition(":")
            )
            one.asked_for += form.get("scope", [])
            if secret != one.secret or form["grant_type"] != ["client_credentials"]:
                self.answer(401, {"error": "invalid_client"})
            else:
                self.answer(200, {"access_token": one.token(client), "expires_in": LIVES_S})

        def answer(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's word
            """Say nothing."""

    (port,) = free_ports(1, PORTS)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    one.url = f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


@asynccontextmanager
async def broker(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[tuple[Servers, str]]:
    """A broker with further settings, and the address of a listener that only asks for certificates."""
    (by_certificate,) = free_ports(1, PORTS)
    servers = Servers.on_free_ports(folder, secure=True, ports=PORTS)
    assert isinstance(servers.kafka, Kafka)
    more = {
        "listeners": f"SASL_SSL://{servers.bootstrap},SSL://127.0.0.1:{by_certificate},"
        f"CONTROLLER://127.0.0.1:{servers.kafka.controller_port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:SSL",
        "listener.name.ssl.ssl.client.auth": "required",
    }
    servers.kafka.more |= more | dict(settings)
    await servers.start_kafka()
    try:
        await create_topics(servers.broker, "", 1)
        yield servers, f"127.0.0.1:{by_certificate}"
    finally:
        await servers.kafka.stop()


async def allow(servers: Servers, principal: str) -> None:
    async with admin(servers.broker) as client:
        acl = wire.Acl(principal, "topic", TOPIC, "literal", "Write")
        await wire.add_acls(client, [acl])

        async def seen() -> bool:
            return acl in await wire.acls(client)

        await until(seen)


async def send(kafka: KafkaSettings) -> None:
    producer = AIOKafkaProducer(**reached(kafka))
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, b"{}", key=b"k")
    finally:
        await producer.stop()


def told(servers: Servers, **settings: str) -> KafkaSettings:
    assert servers.secure
    values = {"BOOTSTRAP": servers.bootstrap, "SECURITY": "SASL_SSL", "CA_FILE": str(servers.secure.ca)}
    named = {f"MORTARBOARD_KAFKA_{name}": value for name, value in (values | settings).items()}
    return kafka_from(named | {"MORTARBOARD_DEV": "1"})


async def test_passwords_by_each_mechanism(tmp_path: Path) -> None:
    all_of_them = f"{MECHANISM},SCRAM-SHA-256,PLAIN"
    plain = f'{LOGIN}.plain.PlainLoginModule required user_carol="in the clear";'
    scram = f"{LOGIN}.scram.ScramLoginModule required;"
    async with broker(
        tmp_path,
        {
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": all_of_them,
            "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
        },
    ) as (servers, _):
        async with admin(servers.broker) as client:
            await wire.set_passwords(client, MECHANISM, {"alice": "of 512 bits"})
            await wire.set_passwords(client, "SCRAM-SHA-256", {"bob": "of 256 bits"})
        for user, mechanism, password in (
            ("alice", MECHANISM, "of 512 bits"),
            ("bob", "SCRAM-SHA-256", "of 256 bits"),
            ("carol", "PLAIN", "in the clear"),
        ):
            await allow(servers, f"User:{user}")
            kafka = told(servers, SASL_MECHANISM=mechanism, USERNAME=user, PASSWORD=password)

            async def let_in(kafka: KafkaSettings = kafka) -> bool:
                return await knock(kafka) is None

            await until(let_in)
            await send(kafka)
            wrong = told(servers, SASL_MECHANISM=mechanism, USERNAME=user, PASSWORD="wrong")
            error = await knock(wrong)
            assert error
            assert "authentication failed" in in_words(error)
        error = await knock(told(servers, SASL_MECHANISM="SCRAM-SHA-256", USERNAME="alice", PASSWORD="x"))
        assert error


async def test_a_certificate_that_changes_is_taken_with_the_next_connection(tmp_path: Path) -> None:
    async with broker(tmp_path, {}) as (servers, by_certificate):
        assert servers.secure
        authority = Authority(servers.secure.folder)
        await allow(servers, "User:CN=dialog-svc")
        certificate, key = authority.issue("dialog-svc")
        files = {"CERT_FILE": str(certificate), "KEY_FILE": str(key)}
        kafka = told(servers, BOOTSTRAP=by_certificate, SECURITY="SSL", **files)
        where = reached(kafka)  # the same arguments, as a client keeps them over its life
        async with AIOKafkaProducer(**where) as producer:
            await producer.send_and_wait(TOPIC, b"{}", key=b"k")

        other, other_key = authority.issue("somebody-else")
        certificate.write_bytes(other.read_bytes())
        key.write_bytes(other_key.read_bytes())
        async with AIOKafkaProducer(**where) as producer:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(TOPIC, b"{}", key=b"k")

        stranger, its_key = Authority(tmp_path / "strangers").issue("dialog-svc")
        certificate.write_bytes(stranger.read_bytes())
        key.write_bytes(its_key.read_bytes())
        assert await knock(kafka), "an authority that the broker does not know"
        assert await knock(told(servers, BOOTSTRAP=by_certificate, SECURITY="SSL")), "no certificate at all"


async def test_tokens_are_got_by_client_credentials_and_renewed(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "JAVA_TOOL_OPTIONS", f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.url}/keys"
    )
    handler = f"{LOGIN}.oauthbearer.OAuthBearerValidatorCallbackHandler"
    here = "listener.name.sasl_ssl"
    async with broker(
        tmp_path,
        {
            f"{here}.sasl.enabled.mechanisms": f"{MECHANISM},OAUTHBEARER",
            f"{here}.oauthbearer.sasl.jaas.config": f"{LOGIN}.oauthbearer.OAuthBearerLoginModule required;",
            f"{here}.oauthbearer.sasl.server.callback.handler.class": handler,
            f"{here}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": f"{issuer.url}/keys",
            f"{here}.oauthbearer.sasl.oauthbearer.expected.audience": "kafka",
            f"{here}.oauthbearer.sasl.oauthbearer.expected.issuer": issuer.url,
            f"{here}.oauthbearer.connections.max.reauth.ms": "3600000",
        },
    ) as (servers, _):
        await allow(servers, "User:dialog-svc")
        client = {
            "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_URL": f"{issuer.url}/token", "CLIENT_ID": "dialog-svc",
            "CLIENT_SECRET": issuer.secret, "TOKEN_SCOPE": "kafka",
        }  # fmt: skip
        producer = AIOKafkaProducer(**reached(told(servers, **client)))
        async with producer:
            until_then = time.monotonic() + 2.5 * LIVES_S  # more than two tokens' lives
            while time.monotonic() < until_then:
                await producer.send_and_wait(TOPIC, b"{}", key=b"k")
                await asyncio.sleep(0.2)
        assert 2 <= issuer.given <= 5, "one token at a time, renewed before its end"
        assert set(issuer.asked_for) == {"kafka"}
        wrong = told(servers, **client | {"CLIENT_SECRET": "wrong", "CLIENT_ID": "agent-svc"})
        error = await knock(wrong)
        assert error
        assert "401" in in_words(error)
        assert "MORTARBOARD_KAFKA_TOKEN_URL" in in_words(error)
        assert "wrong" not in in_words(error)


def ask_for_certificates(rules: Path) -> None:
    rules.write_text(f"hostssl all dialog_svc 127.0.0.1/32 cert\n{rules.read_text()}")


async def test_a_database_takes_a_client_by_its_certificate_as_it_is_now(tmp_path: Path) -> None:
    servers = Servers.on_free_ports(tmp_path / "own", secure=True, ports=PORTS)
    await servers.start_postgres()
    try:
        assert servers.secure
        authority = Authority(servers.secure.folder)
        certificate, key = authority.issue("dialog_svc")
        admin_connection = await asyncpg.connect(servers.admin_url)
        await admin_connection.execute("CREATE ROLE dialog_svc LOGIN")
        ask_for_certificates(Path(await admin_connection.fetchval("SHOW hba_file")))
        await admin_connection.execute("SELECT pg_reload_conf()")
        await admin_connection.close()
        where = urlsplit(servers.admin_url)
        query = f"{where.query}&{urlencode({'sslcert': certificate, 'sslkey': key})}"
        url = urlunsplit(where._replace(netloc=f"dialog_svc@127.0.0.1:{where.port}", query=query))
        database = Database(url, url, "public", source="/test")
        await database.open(http=False)
        await database.ping()
        await database.close()

        other, other_key = authority.issue("agent_svc")
        certificate.write_bytes(other.read_bytes())
        key.write_bytes(other_key.read_bytes())
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await database.open(http=False)
    finally:
        await servers.postgres.stop()
