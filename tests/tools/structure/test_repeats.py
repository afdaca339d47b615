"""Which runs of lines count, and as how many pairs."""

from pathlib import Path

from structure.repeats import MAX_PLACES, find_repeated_pairs

from tests.tools.packages import read

RUN = "".join(f"{name} = load(path, {i}) + offset * {i}\n" for i, name in enumerate("abcdef"))
"""Six lines of 10 tokens."""
RENAMED = RUN.replace("load", "fetch").replace("path", "place").replace("offset", "7")
THIN = "".join(f"{name}: int\n" for name in "abcdef")
"""Six lines of 3 tokens: 18."""


def pairs(root: Path, **texts: str) -> list[str]:
    found = find_repeated_pairs(read(root, {f"{name}.py": text for name, text in texts.items()}))
    return [str(pair).replace("src/coterie/", "") for pair in found]


def test_six_lines_are_a_pair_and_five_are_none(tmp_path: Path) -> None:
    five = "".join(RUN.splitlines(keepends=True)[:5])
    assert pairs(tmp_path / "six", x=RUN, y=RUN) == ["x.py:1-6 ~ y.py:1-6: 6 lines"]
    assert pairs(tmp_path / "five", x=five, y=five) == []


def test_other_names_and_numbers_are_the_same_shape(tmp_path: Path) -> None:
    # 7 takes the place of a name: another shape, in every line.
    assert pairs(tmp_path / "number", x=RUN, y=RENAMED) == []
    assert len(pairs(tmp_path / "name", x=RUN, y=RENAMED.replace("7", "shift"))) == 1


def test_short_lines_count_only_where_they_are_the_same(tmp_path: Path) -> None:
    assert pairs(tmp_path / "renamed", x=THIN, y=THIN.replace("int", "str")) == []
    assert len(pairs(tmp_path / "same", x=THIN, y=THIN)) == 1


def test_what_is_no_code_is_passed_over(tmp_path: Path) -> None:
    head = '"""A docstring."""\nimport os\n\n# a comment\n'
    broken = head + RUN.replace("\n", "\n\n# why\n", 1)
    # The first line stands at 5, the last at 12, two lines of which are no code.
    assert pairs(tmp_path, x=RUN, y=broken) == ["x.py:1-6 ~ y.py:5-12: 6 lines"]
    same = '"""' + "word\n" * 9 + '"""\n' + "import os\n" * 9
    assert pairs(tmp_path / "none", x=same, y=same) == []


def test_runs_are_maximal_and_files_count_once(tmp_path: Path) -> None:
    twice = f"{RUN}if x:\n    pass\nfor y in x: return\n{RENAMED}"
    other = f"{RUN}while x:\n    break\n{RENAMED}"
    found = pairs(tmp_path, x=twice, y=other)
    assert found == ["x.py:1-6 ~ y.py:1-6: 6 lines (+1 more runs)"]
    # Each line has a shape of its own, or a run moved by a line would be a run, too.
    longer = "".join(f"a = load({', '.join('abcdefg'[: i + 1])}) + 1\n" for i in range(7))
    assert pairs(tmp_path / "seven", x=longer, y=longer) == ["x.py:1-7 ~ y.py:1-7: 7 lines"]


def test_a_file_repeats_itself_without_overlap(tmp_path: Path) -> None:
    assert pairs(tmp_path / "twice", x=f"{RUN}pass\n{RUN}") == ["x.py:1-6 ~ x.py:8-13: 6 lines"]
    assert pairs(tmp_path / "once", x="a = load(path, 0) + offset\n" * 11) == []


def test_many_copies_are_pairs_of_neighbours(tmp_path: Path) -> None:
    few = {f"f{i}": RUN for i in range(MAX_PLACES)}
    assert len(pairs(tmp_path / "few", **few)) == 28  # 8 * 7 / 2
    many = {f"f{i}": RUN for i in range(MAX_PLACES + 1)}
    assert len(pairs(tmp_path / "many", **many)) == 8  # nine copies
