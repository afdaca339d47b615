"""JSON files: lists, lists within an object, and an object a line."""

import json
from pathlib import Path
from typing import Any

import pytest

from coterie.data.dataset import RowError
from coterie.data.sources import json_scanner
from coterie.data.sources.json_list import JsonSource

ROWS = [{"a": 1, "b": ["x, ]}", '"\\']}, {"a": {"c": [2, {}]}}, {"a": "é"}]


def source(folder: Path, content: Any, **options: Any) -> JsonSource:
    path = folder / "r.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return JsonSource(path, **options)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "wrapped", [ROWS, {"data": ROWS}, {"version": [1], "data": ROWS, "n": {"data": [3]}}]
)
def test_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None, wrapped: Any
) -> None:
    monkeypatch.setattr(json_scanner, "CHUNK_BYTES", chunk)
    found = source(tmp_path, json.dumps(wrapped, indent=indent, ensure_ascii=False))
    assert [found[i] for i in range(len(found))] == ROWS and not found.is_split
    assert found.describe_row(1) == "r.json:2"


def test_a_list_for_each_split(tmp_path: Path) -> None:
    content = {"train": ROWS, "val": ROWS[:1]}
    found = source(tmp_path, content, split="validation")
    assert found.is_split and len(found) == 1
    with pytest.raises(ValueError, match=r"or the name of a split \(test\): it has train, val"):
        source(tmp_path, content, split="test")


@pytest.mark.parametrize("content", ['{"a": 1}\n{"a": 2}\n', '\ufeff{"a": 1}\n\n{"a": 2}'])
def test_an_object_a_line(tmp_path: Path, content: str) -> None:
    found = source(tmp_path, content)
    assert [found[i] for i in range(2)] == [{"a": 1}, {"a": 2}]


def test_one_object_is_one_row(tmp_path: Path) -> None:
    assert source(tmp_path, {"messages": [{"role": "user"}]})[0] == {"messages": [{"role": "user"}]}


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty: give a list of objects"),
        ("[{", "is cut off: 2 brackets are not closed"),
        ('[{"a": "b', "is cut off in the text that begins at byte 7"),
        ("[}", r"is not JSON: \} closes nothing \(byte 1\)"),
        ("[] 3", "has more after the end"),
        ("hello", "is not JSON: it begins b'hello'"),
        ("[" * 2000, "has more than 1000 open brackets"),
        ('{"a": [], "a": []}', "has the key 'a' twice"),
        (
            '{\n"question": ["a"], "answer": ["b"]}',
            "give a list of .*: it has question, answer",
        ),
    ],
)
def test_damaged_files(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"r\.json.* {message}") as error:
        source(tmp_path, content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "item, message",
    [
        ("3", "is a JSON int"),
        ('{"a": 1} {"b": 2}', "is not JSON"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": 1, "a": 2}', "comes 2 times"),
        ("[" * 100 + "]" * 100, "is a JSON list"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "is nested more than 64 deep"),
    ],
)
def test_damaged_items(tmp_path: Path, item: str, message: str) -> None:
    found = source(tmp_path, f'[{{"a": 1}}, {item}, {{"a": 2}}]')
    assert found[0] == {"a": 1} and found[2] == {"a": 2}
    with pytest.raises(RowError, match=message):
        found[1]


def test_an_item_of_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.data.sources.json_list.MAX_ROW_BYTES", 20)
    found = source(tmp_path, [{"a": "x" * 20}, {"a": 1}])
    with pytest.raises(RowError, match="has 29 bytes: at most"):
        found[0]
    assert found[1] == {"a": 1}
