"""`./dev demo`: plays the chat backend and the owner on a fresh stack, through Kafka and HTTP only."""

from deploy.demo.command import main

__all__ = ["main"]
