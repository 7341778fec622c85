"""Runs the application on uvicorn, with a way to drop a connection."""

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deploy.simulator.faults import TRANSPORT


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, which also hands the connection to the application."""

    def on_message_begin(self) -> None:
        """A request begins: its scope gets the transport."""
        super().on_message_begin()
        transport: asyncio.Transport = self.transport
        self.scope[TRANSPORT] = transport  # type: ignore[literal-required]


def make_server(app: ASGIApp, port: int, host: str = "127.0.0.1") -> uvicorn.Server:
    """A server ready to run."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=DroppableProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return uvicorn.Server(config)
