"""How the tools reach a broker: by its address alone, or by settings that say who they are."""

from typing import Any

from chassis.kafka_security import security
from chassis.kafka_settings import KafkaSettings

Broker = str | KafkaSettings
"""An address without encryption, or the settings of a client."""


def reached(broker: Broker) -> dict[str, Any]:
    """The arguments of any aiokafka client."""
    if isinstance(broker, str):
        return {"bootstrap_servers": broker}
    return {"bootstrap_servers": broker.kafka_bootstrap, **security(broker)}
