"""Data to look at: every state that a page can show, made through Kafka and the public HTTP APIs only."""
