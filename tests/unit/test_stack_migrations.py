"""Rules for migration files."""

import hashlib
from pathlib import Path

import pytest

from deploy.stack.migrations import problems, up_part, wrong_inside

UP = "-- migrate:up\nCREATE TABLE t (x int);\n-- migrate:down\nDROP TABLE t;\n"


def folder(root: Path, name: str, *files: str) -> Path:
    place = root / name
    place.mkdir(parents=True)
    for file in files:
        (place / file).write_text(UP)
    return place


def test_good_migrations_have_no_problems(tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", "0001_one.sql")
    own = folder(tmp_path, "own", "1001_two.sql")
    known = {"shared/0001_one.sql": hashlib.sha256(UP.encode()).hexdigest()}
    assert problems(tmp_path, {"a": [shared, own], "b": [shared]}, known) == []


def test_a_number_used_twice_is_found_over_both_folders(tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", "0001_one.sql")
    own = folder(tmp_path, "own", "0001_two.sql")
    assert problems(tmp_path, {"a": [shared, own]}, {}) == [
        "own/0001_two.sql: a has this number already in shared/0001_one.sql"
    ]


def test_a_released_file_may_not_change_or_vanish(tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", "0001_one.sql")
    found = problems(
        tmp_path, {"a": [shared]}, {"shared/0001_one.sql": "0" * 64, "shared/0002_gone.sql": "0" * 64}
    )
    assert [line.split(":")[0] for line in found] == ["shared/0001_one.sql", "shared/0002_gone.sql"]


def test_a_new_number_lies_above_the_released_ones_of_its_folder_only(tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", "0001_one.sql", "0002_new.sql")
    own = folder(tmp_path, "own", "1002_new.sql", "1003_three.sql")
    digest = hashlib.sha256(UP.encode()).hexdigest()
    known = {"shared/0001_one.sql": digest, "own/1003_three.sql": digest}
    assert problems(tmp_path, {"a": [shared, own]}, known) == [
        "own/1002_new.sql: a new number must lie above the released 1003"
    ]


def test_a_name_or_file_that_dbmate_would_skip_is_found(tmp_path: Path) -> None:
    place = folder(tmp_path, "own", "12_short.sql")
    (place / "1002_empty.sql").write_text("CREATE TABLE t ();")
    found = problems(tmp_path, {"a": [place]}, {})
    assert {line.split(":")[0] for line in found} == {"own/12_short.sql", "own/1002_empty.sql"}


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("-- migrate:up\nSELECT 1;\n-- migrate:down\n-- nothing\n", "migrations", "forward-only"),
        ("-- migrate:up\nSELECT 1;\n", "migrations", "forward-only"),
        ("-- migrate:up\n-- forward-only:\nSELECT 1;\n", "migrations", "forward-only"),
        ("-- migrate:up\nSET lock_timeout = 0;\n-- migrate:down\nSELECT 1;\n", "migrations", "lock_timeout"),
        (UP, "contract", "contract: after"),
        (UP + "-- contract: after 0.2.0\n", "migrations", "contract/"),
    ],
)
def test_a_file_goes_back_or_says_why_not_and_a_contraction_says_from_when_on(
    text: str, place: str, says: str
) -> None:
    (wrong,) = wrong_inside(text, place)
    assert says in wrong


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (UP, "migrations"),
        ("-- migrate:up\n-- forward-only: the old rows are gone\nSELECT 1;\n", "migrations"),
        ("-- contract: after 0.2.0\n" + UP, "contract"),
    ],
)
def test_a_file_that_keeps_the_rules_has_nothing_wrong(text: str, place: str) -> None:
    assert wrong_inside(text, place) == []


def test_only_the_way_up_is_linted_and_lines_keep_their_numbers() -> None:
    assert "DROP" not in up_part(UP)
    assert up_part(UP).count("\n") == UP.count("\n")
