"""The samples of a dense split with their labels, and a split that is not there."""

from pathlib import Path

from coterie.datasets.nyuv2 import Nyuv2
from coterie.tasks.dense.split_summary import summarize_split
from tests.datasets.written import nyuv2


def test_a_split(tmp_path: Path) -> None:
    data = Nyuv2(folder=nyuv2(tmp_path))
    found = summarize_split(data, "train")
    assert found.num_samples == 3 and found.is_good
    assert found.tasks == tuple(task.name for task in data.tasks)
    assert set(found.media_counts.values()) == {3}
    assert "nothing" in summarize_split(data, "nothing").problem
