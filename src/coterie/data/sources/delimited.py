"""Rows of CSV and TSV files, read by offset."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.data.sources.base import MAX_ROW_BYTES
from coterie.data.sources.indexed_file import IndexedFile

STATED_DELIMITER = re.compile(r'"?sep=(.)"?\s*')
"""A first line with which Excel says what separates columns."""
OTHER_DELIMITERS = ",;\t|"
"""What may separate columns where the first line has none of what the file's ending says."""
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|", ".ssv": ";"}
"""Ending of a file -> what separates its columns."""
MAX_COLUMNS = 10_000
"""A file with more columns has no line breaks, or another delimiter."""


class DelimitedSource(IndexedFile):
    """A row of columns a line, as spreadsheets and pandas write them, in UTF-8.

    The first line names the columns. Texts may be in double quotes, with line breaks in them, and
    double quotes written twice. An empty column is missing. The file's ending says what separates
    columns, see DELIMITERS; where the first line has none of that, it is a comma, a semicolon, a
    tab or a bar there, as spreadsheets in many languages write it, or what Excel's line "sep=;"
    says.
    """

    suffixes: ClassVar = tuple(DELIMITERS)

    def index_rows(self, file: Any) -> Iterator[tuple[int, int]]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))
        lines = LineReader(file, self.path.name)
        first = lines.peek()
        if "\r" in first.rstrip("\r\n"):
            raise ValueError(f"{self.path} has lines that end in CR: save it with LF")
        if stated := STATED_DELIMITER.fullmatch(first):
            next(lines)
        self.delimiter = stated[1] if stated else self.choose_delimiter(first)
        reader = self.make_reader(lines)
        try:
            self.header = [name.strip() for name in next(reader, [])]
        except csv.Error as error:
            raise ValueError(f"{self.path}:1: the names of the columns: {error}") from None
        self.check_header()
        while not lines.is_at_end():
            start, number = lines.offset, lines.number
            try:
                row = next(reader, None)
            except csv.Error:
                row = ["?"]  # parsed again, with its error, when it is read
            if row is None:
                break
            if row:  # not an empty line
                yield number, start

    def choose_delimiter(self, first: str) -> str:
        suffix = next(
            each for each in reversed(self.path.suffixes) if each.lower() in self.suffixes
        )
        delimiter = DELIMITERS[suffix.lower()]
        if delimiter in first:
            return delimiter
        return next((each for each in OTHER_DELIMITERS if each in first), delimiter)

    def check_header(self) -> None:
        """Raise ValueError unless the columns have names of their own."""
        where = f"{self.path}:1"
        if len(self.header) > MAX_COLUMNS:
            raise ValueError(f"{where} has {len(self.header)} columns: at most {MAX_COLUMNS}")
        if not any(self.header):
            raise ValueError(f"{where} is empty: give the names of the columns in the first line")
        for name in self.header:
            if self.header.count(name) > 1:
                raise ValueError(f"{where}: the column {name!r} comes twice: give it one name each")

    def make_reader(self, lines: Iterator[str]) -> Any:
        return csv.reader(lines, delimiter=self.delimiter, strict=True)

    def __getitem__(self, index: int) -> dict[str, Any]:
        with self.open_row(index) as file:
            content = file.read(self.starts[index + 1] - self.starts[index])
        try:
            row = next(self.make_reader(io.StringIO(content.decode("utf-8"), newline="")), [])
        except UnicodeDecodeError as error:
            byte = f"byte {error.start} is 0x{content[error.start]:02x}"
            raise RowError("row", f"{byte}, not UTF-8: save the file as UTF-8") from None
        except csv.Error as error:
            problem = str(error)
            if "expected after" in problem:
                problem = "a double quote ends a text in its middle: write it twice within texts"
            if "unexpected end" in problem:  # the reader has looked for the end of a text
                lines = len(content.splitlines())
                problem = (
                    f"a double quote opens a text that does not end; the {lines} lines to the end "
                    "of the file are in it. Close it, or write double quotes within texts twice"
                )
            raise RowError("row", f"cannot be split into columns: {problem}") from None
        if not content.strip(b"\0\r\n"):
            raise RowError(
                "row", "holds NUL bytes alone, as an interrupted write leaves: remove it"
            )
        if len(row) != len(self.header):
            raise RowError(
                "row",
                f"has {len(row)} columns, the first line {len(self.header)}: put texts with "
                f"{self.delimiter!r} or a line break in them into double quotes",
            )
        return {name: value or None for name, value in zip(self.header, row, strict=True)}


class LineReader:
    """The lines of a file as text, for csv, which asks for those that a row has.

    Attributes:
        offset, number: of the next line; the number is from 1.
    """

    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name
        self.offset, self.number = 0, 1
        self.next_line = self.read_line().removeprefix(codecs.BOM_UTF8)
        self.skipped = self.file.tell() - len(self.next_line)  # the mark

    def read_line(self) -> bytes:
        line = self.file.readline(MAX_ROW_BYTES + 1)
        if len(line) > MAX_ROW_BYTES:
            raise ValueError(
                f"{self.name}:{self.number}: a line has more than {MAX_ROW_BYTES} bytes: keep "
                "pictures and sounds in files of their own, and give their paths"
            )
        return line

    def peek(self) -> str:
        """Return the next line."""
        if self.next_line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ValueError(f"{self.name} is UTF-16: save the file as UTF-8")
        if b"\0" in self.next_line:
            problem = "holds NUL bytes, as UTF-16 does"
            raise ValueError(f"{self.name}:{self.number} {problem}: save the file as UTF-8")
        return self.next_line.decode("utf-8", errors="replace")

    def is_at_end(self) -> bool:
        return not self.next_line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.next_line:
            raise StopIteration
        # Damaged characters are found when the row is read.
        text = self.next_line.decode("utf-8", errors="replace")
        self.next_line = self.read_line()
        self.offset = self.file.tell() - len(self.next_line)
        self.number += 1
        return text
