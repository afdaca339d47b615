"""CSV and TSV files at random access."""

import csv
import io
import pickle
import random
from pathlib import Path

import pytest

from coterie.data.dataset import RowError
from coterie.data.sources.delimited import DelimitedSource


def source(folder: Path, content: str | bytes, name: str = "r.csv") -> DelimitedSource:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DelimitedSource(path)


def test_quotes_line_breaks_and_empty_columns(tmp_path: Path) -> None:
    text = 'q,a\r\n"one, ""two""\nthree",x\r\n\r\né,\r\n'
    rows = source(tmp_path, text)
    assert [rows[i] for i in range(len(rows))] == [
        {"q": 'one, "two"\nthree', "a": "x"}, {"q": "é", "a": None}
    ]  # fmt: skip
    assert [rows.describe_row(i) for i in range(2)] == ["r.csv:2", "r.csv:5"]
    assert pickle.loads(pickle.dumps(rows))[1] == rows[1]


def test_what_csv_writes_is_read_back(tmp_path: Path) -> None:
    rng = random.Random(0)
    given = [["".join(rng.choices('ab,;"\n\r\té ', k=rng.randint(1, 9))) for _ in "xyz"]
             for _ in range(200)]  # fmt: skip
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["x", "y", "z"], *given])
    rows = source(tmp_path, file.getvalue())
    assert [list(rows[i].values()) for i in range(len(rows))] == given


@pytest.mark.parametrize(
    "name, text",
    [
        ("r.tsv", "q\ta\nb, c\td\n"),
        ("r.TSV", "q\ta\nb, c\td\n"),
        ("r.psv", "q|a\nb, c|d\n"),
        ("r.csv", "q;a\nb, c;d\n"),
        ("r.csv", '\ufeffq,a\n"b, c",d\n'),
        ("r.csv", "q\ta\nb, c\td\n"),
        ("r.tsv", 'q,a\n"b, c",d\n'),
        ("r.csv", "q|a\nb, c|d\n"),
        ("r.csv", "sep=;\r\nq;a\r\nb, c;d\r\n"),  # Excel's
        ("r.csv", 'q, a \n"b, c",d\n'),
    ],
)
def test_delimiters(tmp_path: Path, name: str, text: str) -> None:
    assert source(tmp_path, text, name)[0] == {"q": "b, c", "a": "d"}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "r.csv:1 is empty: give the names"),
        (b"a,b,a\n", "the column 'a' comes twice"),
        (b"q,a\rb,c\r", "r.csv has lines that end in CR: save it with LF"),
        ("q,a\n".encode("utf-16"), "is UTF-16: save the file as UTF-8"),
        ("q,a\n".encode("utf-16-le"), "r.csv:1 holds NUL bytes, as UTF-16 does: save the file"),
        (b"q\n" + b"x" * (4 * 2**20 + 1), "a line has more than 4194304 bytes"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source(tmp_path, content)


@pytest.mark.parametrize(
    "line, message",
    [
        (b"x", "has 1 columns, the first line 2: put texts"),
        (b"x,y,z", "has 3 columns"),
        (b'"x"y,z', "columns: a double quote ends a text in its middle: write it twice"),
        (b'"x \\"y\\"",z', "columns: a double quote ends a text in its middle: write it twice"),
        (b"\0\0\0", "holds NUL bytes alone, as an interrupted write leaves: remove it"),
        (b"\xff,y", "byte 0 is 0xff, not UTF-8"),
    ],
)
def test_damaged_rows(tmp_path: Path, line: bytes, message: str) -> None:
    rows = source(tmp_path, b"q,a\n1,2\n" + line + b"\n3,4\n")
    assert rows[0] == {"q": "1", "a": "2"} and rows[2] == {"q": "3", "a": "4"}
    with pytest.raises(RowError, match=message):
        rows[1]


def test_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    rows = source(tmp_path, 'q,a\n1,2\n"x,3\n4,5\n')
    assert len(rows) == 2 and rows[0] == {"q": "1", "a": "2"}
    message = "opens a text that does not end; the 2 lines to the end of the file are in it"
    with pytest.raises(RowError, match=message):
        rows[1]
