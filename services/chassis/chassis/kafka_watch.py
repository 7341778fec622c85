"""Looks whether the broker lets this process in, and says why when it does not.

The clients themselves only tell that they found no broker; a password that is wrong and a cable that is
out look alike there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from chassis import observability as seen
from chassis.health import Health
from chassis.kafka import ANSWER_DEADLINE, connection
from chassis.kafka_security import TokenRefusedError
from chassis.kafka_settings import KafkaSettings
from chassis.settings import Settings

EVERY = 15.0
AT_FIRST = 1.0
REFUSALS = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, ssl.SSLError, TokenRefusedError)
"""What waiting does not mend."""
SERVER = "kafka"
WORDS: dict[type[BaseException], str] = {
    SaslAuthenticationFailed: "authentication failed",
    UnsupportedSaslMechanismError: "the broker does not take this mechanism",
    ssl.SSLError: "the broker does not speak TLS here, or refuses our certificate",
}
LOOK_AT: tuple[tuple[type[BaseException], str], ...] = (
    (SaslAuthenticationFailed, "MORTARBOARD_KAFKA_USERNAME, MORTARBOARD_KAFKA_PASSWORD"),
    (UnsupportedSaslMechanismError, "MORTARBOARD_KAFKA_SASL_MECHANISM"),
    (ssl.SSLCertVerificationError, "MORTARBOARD_KAFKA_CA_FILE"),
    (ssl.SSLError, "MORTARBOARD_KAFKA_SECURITY, MORTARBOARD_KAFKA_CERT_FILE"),
    (TokenRefusedError, "MORTARBOARD_KAFKA_TOKEN_URL, MORTARBOARD_KAFKA_CLIENT_ID, _CLIENT_SECRET"),
)


async def knock(settings: KafkaSettings) -> BaseException | None:
    """Connect to the first broker that lets us in; return None, or why the last one did not.

    A file that cannot be read just now, or is empty, is such a reason too.
    """
    error: BaseException | None = None
    try:
        arguments = connection(settings)
    except OSError as unreadable:
        return unreadable
    for host, port, _ in collect_hosts(arguments.pop("bootstrap_servers")):
        try:
            made = await asyncio.wait_for(create_conn(host, port, **arguments), ANSWER_DEADLINE)
        except (KafkaError, OSError, TimeoutError, ValueError) as refusal:
            error = refusal
        else:
            made.close()
            return None
    return error


class KafkaWatch:
    """Keeps `Health` and a metric up to date about the broker; logs each change of its answer."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._stopping = asyncio.Event()
        self._said = ""

    def stop(self) -> None:
        """End now."""
        self._stopping.set()

    async def run(self) -> None:
        """Look until stopped: often until the broker answers, then seldom."""
        while not self._stopping.is_set():
            error = await knock(self._settings)
            self._note(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), AT_FIRST if error else EVERY)

    def _note(self, error: BaseException | None) -> None:
        seen.kafka_up.set(0 if error else 1)
        why = in_words(error) if error else ""
        if error:
            self._health.missed(SERVER, why, refused=isinstance(error, REFUSALS))
        else:
            self._health.reached(SERVER)
        if why != self._said:
            if error:
                seen.log().error("kafka_not_reached", reason=why, bootstrap=self._settings.kafka_bootstrap)
            else:
                seen.log().info("kafka_reached")
            self._said = why


def in_words(error: BaseException) -> str:
    """Return why the broker did not let us in, with the setting to look at; no secret is in it."""
    look = next((settings for kind, settings in LOOK_AT if isinstance(error, kind)), "")
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted, {error.verify_message}"
    elif isinstance(error, OSError) and error.filename:
        why = f"{error.filename} cannot be read"
    elif isinstance(error, TokenRefusedError):
        why = str(error)
    else:
        why = WORDS.get(type(error), f"no answer, {type(error).__name__}")
    return why + (f": look at {look}" if look else "")
