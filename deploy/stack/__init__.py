"""The local stack: real Kafka and PostgreSQL, the services and what they need, on one machine."""
