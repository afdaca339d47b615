"""What was left out is written once each, read again, and counted."""

from pathlib import Path

from coterie.data.dataset import BadRow
from coterie.train import bad_rows

ROWS = tuple(BadRow(source=f"rows.jsonl:{i}", field="image", reason="is empty") for i in (1, 2))


def test_rows_are_written_once_each(tmp_path: Path) -> None:
    file = tmp_path / "bad_rows.jsonl"
    assert bad_rows.read_bad_rows(file) == () and bad_rows.format_summary_line((), file) == ""
    assert bad_rows.write_bad_rows(file, [*ROWS, ROWS[0]]) == ROWS == bad_rows.read_bad_rows(file)
    assert bad_rows.format_summary_line(ROWS, file) == f"left out 2 bad rows, named in {file}"
    assert bad_rows.format_summary_line(ROWS[:1], "x") == "left out 1 bad row, named in x"
    assert bad_rows.write_bad_rows(file, []) == () and not file.exists()
