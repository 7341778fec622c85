"""How to reach Kafka, from the environment: the arguments of an aiokafka client.

Production wants KAFKA_SECURITY=SASL_SSL, a name, a password, and the authority that signed the brokers.
"""

import os
import ssl
from pathlib import Path
from typing import Any

SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def kafka() -> dict[str, Any]:
    """Return what every client is made with; raises KeyError with a variable that is missing, ValueError."""
    given = os.environ
    security = given.get("KAFKA_SECURITY") or "PLAINTEXT"
    if security not in SECURITY:
        raise ValueError(f"KAFKA_SECURITY is {security}, none of {', '.join(SECURITY)}")
    arguments: dict[str, Any] = {
        "bootstrap_servers": given["KAFKA_BOOTSTRAP"],
        "security_protocol": security,
    }
    if security.endswith("SSL"):
        context = ssl.create_default_context(cafile=given.get("KAFKA_CA_FILE") or None)
        if given.get("KAFKA_CERT_FILE"):
            context.load_cert_chain(given["KAFKA_CERT_FILE"], given["KAFKA_KEY_FILE"])
        arguments["ssl_context"] = context
    if security.startswith("SASL"):
        arguments["sasl_mechanism"] = given.get("KAFKA_SASL_MECHANISM") or "SCRAM-SHA-512"
        arguments["sasl_plain_username"] = given["KAFKA_USERNAME"]
        arguments["sasl_plain_password"] = Path(given["KAFKA_PASSWORD_FILE"]).read_text().strip()
    return arguments
