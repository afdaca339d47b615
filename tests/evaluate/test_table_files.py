"""The files of a table."""

from pathlib import Path

import pytest

from coterie.evaluate.table_files import check_table_file, format_csv


def test_lines_are_named_and_whole() -> None:
    lines = [{("ocr", "value"): 0.1, ("ocr", "low"): None}, {("cost", "time, s"): 3}]
    assert format_csv(lines, ["a", "b, c"]) == (
        'system,ocr_value,ocr_low,"cost_time, s"\na,0.1,,\n"b, c",,,3\n'
    )
    assert format_csv([], []) == "system\n"


def test_other_endings_are_refused(tmp_path: Path) -> None:
    assert check_table_file("table.CSV") == Path("table.CSV")
    with pytest.raises(ValueError, match=r"table\.xlsx: a table is written as \.md \(Markdown\)"):
        check_table_file("table.xlsx")
    with pytest.raises(ValueError, match=r"is a folder: name a file, such as .*table\.md"):
        check_table_file(tmp_path)
