"""Files without a test, and the list of reasons."""

from pathlib import Path

import pytest
from structure.untested import check_reasons, find_untested, namesakes, needs_test, read_reasons

from tests.tools.packages import read


def test_namesakes() -> None:
    assert namesakes("src/coterie/a/b.py", "tests") == ("tests/a/test_b.py",)
    assert namesakes("src/coterie_demo/b.py", "tests/demo") == ("tests/demo/test_b.py",)
    inits = ("tests/a/test_init.py", "tests/a/test_a.py")
    assert namesakes("src/coterie/a/__init__.py", "tests") == inits


def test_files_without_a_test(tmp_path: Path) -> None:
    plain = '"""Says."""\nfrom typing import TYPE_CHECKING\nfrom coterie.a import b\n'
    plain += '__all__ = ["b"]\nif TYPE_CHECKING:\n    import os\n'
    files = read(
        tmp_path,
        {"a/__init__.py": plain, "a/b.py": "", "a/c.py": "", "d/__init__.py": "x = f()\n"},
    )
    needing = [file.path for file in files if needs_test(file)]
    assert needing == [f"src/coterie/{name}" for name in ("a/b.py", "a/c.py", "d/__init__.py")]
    (tmp_path / "tests" / "a").mkdir(parents=True)
    (tmp_path / "tests" / "a" / "test_b.py").touch()
    assert find_untested(tmp_path, files, "tests") == tuple(needing[1:])
    (tmp_path / "tests" / "d").mkdir()
    (tmp_path / "tests" / "d" / "test_d.py").touch()
    assert find_untested(tmp_path, files, "tests") == ("src/coterie/a/c.py",)


def test_reasons_are_read() -> None:
    text = "# a comment\n\nsrc/coterie/a.py: types only: no code\n"
    assert read_reasons(text) == {"src/coterie/a.py": "types only: no code"}
    for wrong, match in (("a.py:", "has no reason"), ("a.py: x\na.py: y", "listed twice")):
        with pytest.raises(ValueError, match=match):
            read_reasons(wrong)


def test_reasons_are_for_what_has_no_test(tmp_path: Path) -> None:
    (tmp_path / "tested.py").touch()
    reasons = dict.fromkeys(("tested.py", "gone.py", "excused.py"), "because")
    found = list(check_reasons(reasons, ["excused.py", "new.py"], tmp_path))
    assert [line.split(";")[0] for line in found] == [
        "new.py: no namesake test",
        "tools/untested_files.txt: gone.py: there is no such file",
        "tools/untested_files.txt: tested.py: it has a test or needs none",
    ]
