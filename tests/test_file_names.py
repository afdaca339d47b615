"""Names from files that become part of a path."""

from pathlib import Path

import pytest

from coterie.file_names import (
    check_file_name,
    check_names_differ,
    describe_long_path,
    find_colliding,
    suggest_file,
)


@pytest.mark.parametrize(
    "name", ["ocr", "a b", "v1.0", "x" * 100, "ß" * 50, "C++", "tâche", "1", "auxiliary", "con2"]
)
def test_plain_names_are_taken(name: str) -> None:
    check_file_name(name, "name", kind="task")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name = '': give a task's name as text"),
        (None, "name = None: give a task's name as text"),
        (["a"], r"name = \['a'\]: give a task's name as text"),
        ("a/b", "no slashes"),
        ("/../../../outside", "no slashes"),
        ("a\\b", "no slashes"),
        ("..", "no dot or dash"),
        (".hidden", "no dot or dash"),
        ("-rf", "no dot or dash"),
        ("ends.", "no dot at the end"),
        ("a\0b", "no control characters"),
        ("a\nb", "no control characters"),
        ("a\u202eb", "no control characters"),  # what follows is shown from right to left
        ("\ud800", "no control characters"),
        (" a", "no white space at the ends"),
        ("x" * 101, "no more than 100 bytes"),
        ("ß" * 51, "no more than 100 bytes"),  # 2 bytes each in UTF-8
        ("NUL", "device on Windows"),
        ("com1.txt", "device on Windows"),
    ],
)
def test_what_leads_elsewhere_is_refused(name: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_file_name(name, "name", kind="task")


def test_the_message_is_short() -> None:
    with pytest.raises(ValueError) as caught:
        check_file_name("x" * 10**6, "stages[0].name", kind="stage")
    assert str(caught.value).startswith("stages[0].name = 'xxx") and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["ocr", "naming"], None),
        (["ocr", "naming", "OCR"], (0, 2)),
        (["a", "a"], (0, 1)),
        (["caf\u00e9", "cafe\u0301"], (0, 1)),  # one letter, or two code points
        (["STRASSE", "stra\u00dfe"], (0, 1)),
        (["a", "a "], None),  # refused before, by `check_file_name`
    ],
)
def test_names_that_one_file_could_have(names: list[str], found: tuple[int, int] | None) -> None:
    assert find_colliding(names) == found


def test_names_that_differ_in_capitals_alone_are_refused() -> None:
    check_names_differ(["ocr", "naming"], "tasks", kind="task")
    with pytest.raises(
        ValueError, match=r"^tasks: the name 'a' is there twice; give each task a na"
    ):
        check_names_differ(["a", "a"], "tasks", kind="task")
    with pytest.raises(
        ValueError, match=r"^tasks: the names 'ocr' and 'OCR' differ in capitals or"
    ):
        check_names_differ(["ocr", "OCR"], "tasks", kind="task")


def test_what_is_too_long_about_a_path() -> None:
    # Two bytes a letter.
    assert describe_long_path("/a/" + "\u00e9" * 150 + "/b") == (
        "the name "
        + "\u00e9" * 40
        + "... in it has 300 bytes, and disks take 255: give a shorter one"
    )
    told = "it has 5999 bytes, more than the system takes: give a shorter one"
    assert describe_long_path("/".join(["ab"] * 2000)) == told


def test_a_file_that_may_be_meant_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mood.csv").touch()
    assert suggest_file(str(tmp_path / "moods.csv")) == " (did you mean mood.csv?)"
    assert suggest_file(str(tmp_path / "colours.jsonl")) == ""
    assert suggest_file(str(tmp_path / "nowhere" / "moods.csv")) == ""
    assert suggest_file("data/file:///data/a.csv") == "; give the path without file://"
    assert suggest_file("data/${HOME}/a.csv").endswith("not replaced here: give the path itself")
    monkeypatch.chdir(tmp_path)
    assert suggest_file("modd.csv") == " (did you mean mood.csv?)"
