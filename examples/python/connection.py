"""How to reach Kafka, from the environment: the arguments of an aiokafka client.

Production wants KAFKA_SECURITY=SASL_SSL, a name, a password, and the authority that signed the brokers.
"""

import os
import ssl
from pathlib import Path
from typing import Any


def kafka() -> dict[str, Any]:
    """Return what every client is made with; raises KeyError with the variable that is missing."""
    given = os.environ
    security = given.get("KAFKA_SECURITY", "PLAINTEXT")
    arguments: dict[str, Any] = {
        "bootstrap_servers": given["KAFKA_BOOTSTRAP"],
        "security_protocol": security,
    }
    if security.endswith("SSL"):
        context = ssl.create_default_context(cafile=given.get("KAFKA_CA_FILE"))
        if "KAFKA_CERT_FILE" in given:
            context.load_cert_chain(given["KAFKA_CERT_FILE"], given["KAFKA_KEY_FILE"])
        arguments["ssl_context"] = context
    if security.startswith("SASL"):
        arguments["sasl_mechanism"] = given.get("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
        arguments["sasl_plain_username"] = given["KAFKA_USERNAME"]
        arguments["sasl_plain_password"] = Path(given["KAFKA_PASSWORD_FILE"]).read_text().strip()
    return arguments
