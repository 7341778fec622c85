"""What the local stack can be told."""

from pathlib import Path

import pytest

from deploy.stack.settings import (
    DEFAULT_PORTS,
    ROOT,
    SettingsError,
    free_ports,
    from_environment,
    port_setting,
)


def test_without_settings_everything_is_below_the_checkout() -> None:
    settings = from_environment({})
    assert (settings.run, settings.cache) == (ROOT / ".run", ROOT / ".dev" / "cache")
    assert settings.ports == DEFAULT_PORTS


def test_the_offset_moves_every_port_and_one_setting_moves_one() -> None:
    moved = from_environment({"MORTARBOARD_PORT_OFFSET": "1000", "MORTARBOARD_KAFKA_PORT": "9"}).ports
    assert moved["kafka"] == 9
    assert all(moved[name] == port + 1000 for name, port in DEFAULT_PORTS.items() if name != "kafka")


def test_the_setting_of_a_port_is_named_after_it() -> None:
    assert port_setting("dialog-svc-ops") == "MORTARBOARD_DIALOG_SVC_OPS_PORT"


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"MORTARBOARD_KAFKA_PORT": "many"}, "MORTARBOARD_KAFKA_PORT"),
        ({"MORTARBOARD_STACK": "cloud"}, "MORTARBOARD_STACK"),
        ({"MORTARBOARD_STACK": "external"}, "MORTARBOARD_KAFKA_BOOTSTRAP"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        from_environment(env)


def test_folders_can_be_elsewhere(tmp_path: Path) -> None:
    settings = from_environment(
        {"MORTARBOARD_RUN": str(tmp_path / "r"), "MORTARBOARD_CACHE": str(tmp_path / "c")}
    )
    assert (settings.run, settings.cache) == (tmp_path / "r", tmp_path / "c")


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20
