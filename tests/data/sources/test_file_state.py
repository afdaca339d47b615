"""Files that change while they are read."""

import os
from pathlib import Path

import pytest

from coterie.data.sources.delimited import DelimitedSource
from coterie.data.sources.file_state import read_state
from coterie.data.sources.json_list import JsonSource
from coterie.data.sources.jsonl import JsonlSource
from coterie.data.validation_cache import make_file_stamp


@pytest.mark.parametrize(
    "kind, content",
    [(JsonlSource, '{"a": 1}'), (JsonSource, '[{"a": 1}]'), (DelimitedSource, "a\n1")],
)
def test_a_file_replaced_with_its_size_and_time_kept(tmp_path: Path, kind, content: str) -> None:
    file = tmp_path / f"r{kind.suffixes[0]}"
    file.write_text(content)
    rows, before, stamp = kind(file), file.stat(), make_file_stamp(file)
    assert len(rows) == 1 and rows[0] is not None
    file.write_text(content.replace("1", "2"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match="has changed since it was checked: start again"):
        rows[0]
    assert make_file_stamp(file) != stamp


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x cannot be read: No such file"):
        read_state(tmp_path / "x")
    with pytest.raises(ValueError, match="cannot be read: it is a folder"):
        read_state(tmp_path)
