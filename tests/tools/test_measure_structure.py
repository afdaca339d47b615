"""The script on a small repository with one of each violation, and on one with none."""

import subprocess
import sys
from pathlib import Path

import pytest
from measure_structure import main

from tests.tools.packages import write_package
from tests.tools.structure.test_repeats import RUN

SCRIPT = Path(__file__).parents[2] / "tools" / "measure_structure.py"
BAD = {
    "p/a.py": "from coterie.q.b import B\nclass A: ...\nclass B: ...\n",
    "q/b.py": f"import coterie.p.a  # noqa: F401\nclass B: ...\n{RUN}",
    "c.py": RUN,
}


def clean(root: Path) -> Path:
    """Two files of a line, each with a test of two lines."""
    write_package(root, {"a.py": "x = 1\n"})
    write_package(root, {"b.py": "y = 1\n"}, "coterie_demo")
    for test in ("test_a.py", "demo/test_b.py"):
        file = root / "tests" / test
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\ny = 1\n")
    return root


def test_a_clean_repository_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = clean(tmp_path)
    assert main(["--root", str(root), "--check"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["--root", str(root)]) == 0
    said = capsys.readouterr().out
    assert "src/coterie\n" in said and "src/coterie_demo\n" in said
    assert "test lines : source lines: 2.00 (4 : 2)" in said
    assert "\n!" not in said


def test_each_violation_is_a_line(tmp_path: Path) -> None:
    write_package(tmp_path, BAD)
    done = subprocess.run(
        [sys.executable, SCRIPT, "--root", tmp_path, "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stderr
    lines = [line.split(": ", 1)[1] for line in done.stdout.splitlines()]
    # 3 + 8 + 6 lines of source, all of them code: one in 17 is 58.82 in 1000.
    assert lines == [
        "import cycle of files: coterie.p.a <-> coterie.q.b",
        "import cycle of packages: coterie.p <-> coterie.q",
        "class name that stands twice: B: src/coterie/p/a.py:3, src/coterie/q/b.py:2",
        "suppressions per 1000 source lines: 58.82 (1: 1 noqa); allowed: at most 1.0",
        "repeated runs per 1000 code lines: 58.82 (1 pairs); allowed: at most 3.0",
        "test lines : source lines: 0.00 (0 : 17); allowed: at least 0.8",
        *(
            f"src/coterie/{name}: no namesake test; write it, or give a reason in "
            "tools/untested_files.txt"
            for name in ("c.py", "p/a.py", "q/b.py")
        ),
    ]


def test_reasons_excuse_and_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = clean(tmp_path)
    (root / "tests" / "test_a.py").unlink()
    reasons = root / "tools" / "untested_files.txt"
    reasons.parent.mkdir()
    reasons.write_text("src/coterie/a.py: a constant\n")
    assert main(["--root", str(root), "--check"]) == 0
    reasons.write_text("src/coterie/a.py\n")
    assert main(["--root", str(root), "--check"]) == 1
    assert "has no reason" in capsys.readouterr().out


def test_a_folder_without_source_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path)]) == 2
    assert "give --root" in capsys.readouterr().err
