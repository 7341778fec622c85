"""The examples that speak to Kafka, as chat-backend, on servers that ask for TLS, a password and rights."""

from tests.integration.test_examples import (
    test_a_backend_that_asks_the_provider_itself,
    test_publishing_and_subscribing,
)

__all__ = ["test_a_backend_that_asks_the_provider_itself", "test_publishing_and_subscribing"]
