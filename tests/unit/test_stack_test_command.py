"""`./dev test` counts over its sections."""

from collections import Counter
from pathlib import Path

from deploy.cli.test import IN_ALL, closing_line, counted, parts
from deploy.stack.settings import ROOT

REPORT = """<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>"""


def test_a_report_is_counted(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(REPORT)
    assert counted(tmp_path / "unit.xml") == Counter(failed=2, error=1, skipped=3, passed=4)


def test_the_closing_line_has_pytests_form() -> None:
    line = closing_line(Counter(failed=1, passed=20, skipped=2, error=3), 61.5)
    assert line.strip("=") == " 1 failed, 20 passed, 2 skipped, 3 errors in 61.50s "
    assert closing_line(Counter(), 0.1).strip("=") == " no tests ran in 0.10s "


def test_quick_parts_run_first_and_figures_not_at_all() -> None:
    found = parts()
    assert found[0] == "unit"
    assert "bench" not in found
    for part, files in IN_ALL.items():
        assert part in found
        assert all((ROOT / "tests" / part / name).exists() for name in files)
