"""Turns with tools, and of the system."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats import detect_format
from tests.data.row_formats.reading import read


class TestTools:
    calls: ClassVar = [{"function": {"name": "add", "arguments": '{"a": 1, "b": null}'}}]

    def test_a_call_and_its_result(self, folder: Path) -> None:
        turns = [
            {"role": "user", "content": "1?"},
            {"role": "assistant", "content": None, "tool_calls": self.calls},
            {"role": "tool", "content": "2", "tool_call_id": "x", "name": "add"},
            {"role": "assistant", "content": "It is 2."},
        ]
        tools = '[{"type": "function", "function": {"name": "add"}}]'
        row = {"messages": turns, "tools": tools}
        (called, said) = detect_format(row).parse(row, Columns(), folder)
        assert called[1] == ('{"name": "add", "arguments": {"a": 1}}',)
        assert said[1] == ("It is 2.",)
        call, result = (turn.to_chat_message() for turn in said[0][1:])
        assert call["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 1}}
        assert result["name"] == "add" and result["tool_call_id"] == "x"
        assert said[0][0].to_chat_message()["tools"][0]["function"] == {"name": "add"}

    def test_a_call_in_text(self, folder: Path) -> None:
        turns = [
            {"from": "human", "value": "?"},
            {"from": "function_call", "value": '{"name": "f"}'},
        ]
        ((_, answers),) = read({"conversations": turns}, folder)
        assert answers == ('{"name": "f", "arguments": {}}',)

    @pytest.mark.parametrize(
        "calls", ["x", [1], [{"function": {}}], [{"name": "f", "arguments": "{"}]]
    )
    def test_wrong_calls(self, folder: Path, calls: Any) -> None:
        turns = [{"role": "assistant", "tool_calls": calls}]
        with pytest.raises(RowError, match=r"messages\[0\]\.tool_calls"):
            read({"messages": turns}, folder)


class TestSystem:
    def test_of_the_row_and_of_the_task(self, folder: Path) -> None:
        row = {"question": "?", "answer": "x"}
        assert read({**row, "system": "R"}, folder, system="T")[0][0][0] == ("system", ["R"])
        assert read(row, folder, system="T")[0][0] == [("system", ["T"]), ("user", ["?"])]
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x"}]
        assert read({"messages": turns, "system": "R"}, folder)[0][0][0] == ("system", ["R"])

    def test_two_texts(self, folder: Path) -> None:
        turns = [("system", "S"), ("user", "?"), ("assistant", "x")]
        row = {"messages": [{"role": a, "content": b} for a, b in turns], "system": "R"}
        with pytest.raises(RowError, match=r"system: is 'R', and the first turn is the system's"):
            read(row, folder)
