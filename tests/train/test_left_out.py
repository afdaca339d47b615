"""What was left out is written once each, read again, and counted."""

from pathlib import Path

from coterie.data.rows import BadRow
from coterie.train import left_out

ROWS = tuple(BadRow(source=f"rows.jsonl:{i}", field="image", reason="is empty") for i in (1, 2))


def test_rows_are_written_once_each(tmp_path: Path) -> None:
    file = tmp_path / left_out.BAD_ROWS_FILE
    assert left_out.read_bad_rows(file) == () and left_out.format_summary_line((), file) == ""
    assert left_out.write_bad_rows(file, [*ROWS, ROWS[0]]) == ROWS == left_out.read_bad_rows(file)
    assert left_out.format_summary_line(ROWS, file) == f"left out 2 bad rows, named in {file}"
    assert left_out.format_summary_line(ROWS[:1], "x") == "left out 1 bad row, named in x"
    assert left_out.write_bad_rows(file, []) == () and not file.exists()
