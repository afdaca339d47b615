"""Damaged files and fields."""

from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from coterie.datasets.questions import files


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match=r"a\.json cannot be read: No such file"):
        files.read_json_file(path)
    for text, said in [
        ("[1", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"a": 1}', "a list"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=said) as error:
            files.read_json_list(path)
        assert str(error.value).startswith(str(path))
    with pytest.raises(ValueError, match='an object with a list under "data" is needed'):
        files.read_json_list(path, "data")
    path.write_bytes(b'["\xff"]')
    with pytest.raises(ValueError, match="is not UTF-8: byte 2 is wrong"):
        files.read_json_list(path)
    with pytest.raises(ValueError, match=r"b\.csv cannot be read"):
        list(files.read_table(tmp_path / "b.csv"))
    with pytest.raises(ValueError, match="is no table in UTF-8"):
        list(files.read_table(path))


def test_tables_have_lines_and_long_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\n\n1\t" + "z" * 200_000 + "\n")
    lines = list(files.read_table(path, "\t"))
    assert lines[0] == ("a.tsv:1", ["x", "y"])
    assert lines[1][0] == "a.tsv:3" and len(lines[1][1][1]) == 200_000


def test_fields() -> None:
    record = {"a": "x", "b": ["x", "y"], "c": 3, "d": []}
    assert files.get_text(record, "a") == "x" and files.get_texts(record, "b") == ["x", "y"]
    assert files.get_one_of(record, "a", ("x",)) == "x" and files.parse_amount("1.5", "a") == 1.5
    for call, said in [
        (lambda: files.get_object([1]), r"row: is \[1\]: give an object"),
        (lambda: files.get_text(record, "z"), "z: is missing: the keys are 'a, b, c, d'"),
        (lambda: files.get_text(record, "c"), "c: is 3: give text"),
        (lambda: files.get_texts(record, "d"), r"d: is \[\]: give a list of texts"),
        (lambda: files.get_one_of(record, "a", ("y", "z")), "a: is 'x': give y, z"),
        (lambda: files.parse_amount("nan", "g"), "g: is 'nan': give a number, at least 0"),
        (lambda: files.parse_amount("-1", "g"), "g: is '-1': give a number"),
        (lambda: files.parse_amount("much", "g"), "g: is 'much': give a number"),
    ]:
        with pytest.raises(RowError, match=said):
            call()
