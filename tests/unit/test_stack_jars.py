"""Jars are trusted by checksum only."""

import hashlib
from pathlib import Path

from deploy.stack import files
from deploy.stack.jars import CHECKSUMS, damaged


def test_missing_and_damaged_jars_are_found_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "good.jar").write_bytes(b"good")
    (tmp_path / "short.jar").write_bytes(b"sho")
    expected = {
        name: hashlib.sha256(name[:-4].encode()).hexdigest() for name in ("good.jar", "short.jar", "gone.jar")
    }
    assert sorted(damaged(tmp_path, expected)) == ["gone.jar", "short.jar"]
    assert [path.name for path in tmp_path.iterdir()] == ["good.jar"]


def test_the_committed_list_names_kafka_and_its_logger() -> None:
    names = set(files.checksums(CHECKSUMS))
    assert {"kafka_2.13-4.3.1.jar", "slf4j-simple-1.7.36.jar"} <= names
    assert len(names) == 46
