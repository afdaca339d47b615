"""One row: what is known of a valid one, and the error of another."""

from pathlib import Path

from coterie.data.dataset import BadRow, RowError
from coterie.data.row_reader import RowReader, ValidRow, check_row, count_tokens_of_row
from coterie.data.sample_check import SampleCheck
from coterie.data.sources.jsonl import JsonlSource
from tests.data.files import jsonl, png

READER = RowReader(task="t")


class CountWords(SampleCheck):
    def count_tokens(self, sample) -> int:
        if sample.answers == ("b",):
            raise RowError("row", "too long")
        return len(sample.get_last_user_text().split())


def test_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    rows = [
        {"question": "q w", "answer": "a", "id": 1},
        {"image": "a.png", "question": "q", "answer": "b"},
        {"img": "a.png", "question": "q", "answer": "b"},
    ]
    source = JsonlSource(jsonl(tmp_path / "r.jsonl", rows))
    first, second, third = (check_row(source, READER, None, False, i) for i in range(3))
    assert first == ValidRow(1, 0, False, ["id"]) and second == ValidRow(1, 0, True, [])
    assert isinstance(third, BadRow)
    assert (third.source, third.field) == ("r.jsonl:3", "img")
    assert count_tokens_of_row(source, READER, CountWords(), 0) == [2]
    assert count_tokens_of_row(source, READER, CountWords(), 1) == BadRow(
        source="r.jsonl:2", field="row", reason="too long"
    )
