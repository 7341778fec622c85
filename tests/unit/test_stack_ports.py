"""A taken port is named together with the setting that changes it."""

import socket

import pytest

from deploy.stack.ports import PortsTakenError, refuse_taken
from deploy.stack.settings import OWN_PORTS, free_ports


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortsTakenError, match=rf"port {port} \(kafka\).*MORTARBOARD_KAFKA_PORT"):
            refuse_taken({"kafka": port})


def test_all_taken_ports_are_named_at_once() -> None:
    with socket.socket() as one, socket.socket() as two:
        for other in (one, two):
            other.bind(("127.0.0.1", 0))
            other.listen()
        ports = {"kafka": one.getsockname()[1], "dialog-svc": two.getsockname()[1]}
        with pytest.raises(PortsTakenError, match=r"(?s)MORTARBOARD_KAFKA_PORT.*MORTARBOARD_DIALOG_SVC_PORT"):
            refuse_taken(ports)


def test_the_same_port_twice_is_refused() -> None:
    (port,) = free_ports(1)
    with pytest.raises(PortsTakenError, match="set for both"):
        refuse_taken({"kafka": port, "postgres": port})


def test_free_ports_pass() -> None:
    refuse_taken(dict(zip("abc", free_ports(3), strict=True)))


def test_no_port_is_given_twice() -> None:
    given = [port for _ in range(200) for port in free_ports(2)]
    assert len(set(given)) == len(given)
    assert set(given) <= set(OWN_PORTS)
