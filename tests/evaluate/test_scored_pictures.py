"""The file of a dense task's scores."""

from pathlib import Path

import numpy as np
import pytest

from coterie.evaluate.scored_pictures import DensePredictions


def test_written_and_read_again(tmp_path: Path) -> None:
    statistics = np.array([[0.1, 2.0], [1e-17, 3.0]])
    written = DensePredictions(sources=("a/1", "b \u2028/2"), statistics=statistics)
    found = DensePredictions.read(written.save(tmp_path / "depth.jsonl"))
    assert found.sources == written.sources
    assert (found.statistics == statistics).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"source": "a"}\n', r"jsonl:1 is damaged \(KeyError\('statistics'\)\)"),
        ('{"source": "a", "statistics": [1]}\n{"sou', r"jsonl:2 is damaged"),
        ('{"source": "a", "statistics": [1]}\n{"source": "b", "statistics": [1, 2]}\n',
         r"has rows of \[1, 2\] statistics"),
        ("", "has rows of no statistics"),
    ],
)  # fmt: skip
def test_damaged_files_are_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "depth.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        DensePredictions.read(tmp_path / "depth.jsonl")
    with pytest.raises(ValueError, match="is not there: run `coterie evaluate`"):
        DensePredictions.read(tmp_path / "other.jsonl")
