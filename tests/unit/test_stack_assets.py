"""What pages load is named by its content, and a page that is open keeps finding its files."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.stack.assets import MANIFEST, VENDORED, WEB, hashed_name, write


def _built(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {MANIFEST}


def test_another_content_is_another_name_and_the_former_one_stays_for_a_while(tmp_path: Path) -> None:
    source, into = tmp_path / "a.js", tmp_path / "static"
    names = []
    for content in ("one", "two", "three"):
        source.write_text(content)
        write({"a.js": source}, into)
        names.append(json.loads((into / MANIFEST).read_text())["a.js"])
        assert (into / names[-1]).read_text() == content
    assert len(set(names)) == 3
    assert _built(into) == set(names[1:])


def test_nothing_is_written_when_nothing_changed_but_what_is_lost_comes_back(tmp_path: Path) -> None:
    source, into = tmp_path / "a.js", tmp_path / "static"
    source.write_text("one")
    write({"a.js": source}, into)
    before = (into / MANIFEST).stat().st_mtime_ns
    write({"a.js": source}, into)
    assert (into / MANIFEST).stat().st_mtime_ns == before
    (into / hashed_name("a.js", b"one")).unlink()
    write({"a.js": source}, into)
    assert _built(into) == {hashed_name("a.js", b"one")}


def test_the_lock_names_no_host_and_a_hash_for_each_package() -> None:
    text = (WEB / "package-lock.json").read_text()
    assert "://" not in text
    packages = {path: one for path, one in json.loads(text)["packages"].items() if path}
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert {f"node_modules/{path.split('/')[0]}" for path in VENDORED.values()} <= set(packages)
