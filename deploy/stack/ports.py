"""Says which ports are taken, by whom, and which setting moves ours."""

import socket
from collections.abc import Mapping

import psutil

from deploy.stack.settings import port_setting


class PortsTakenError(Exception):
    """Ports that the stack needs are in use; the text names them and the settings that change them."""


def refuse_taken(ports: Mapping[str, int]) -> None:
    """Raise PortsTakenError unless all ports of 127.0.0.1 are free and different."""
    lines = [
        f"port {port} ({name}) is taken{_by(port)}; choose another with {port_setting(name)}=NUMBER"
        for name, port in ports.items()
        if not _free(port)
    ]
    for name, port in ports.items():
        same = [other for other, number in ports.items() if number == port and other != name]
        if same:
            lines.append(f"port {port} is set for both {name} and {same[0]}: {port_setting(name)}")
    if lines:
        raise PortsTakenError("\n".join([*lines, "(MORTARBOARD_PORT_OFFSET=1000 moves all of them)"]))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _by(port: int) -> str:
    """Who listens there, where the system tells."""
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
                return f" by {psutil.Process(one.pid).name()} (process {one.pid})"
    except psutil.Error:
        pass
    return ""
