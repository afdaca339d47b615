"""Worker processes read the same batches, and fail with the same message."""

from pathlib import Path

import pytest

from coterie.train.workers import BatchReader, receive
from tests.train.small import content, lines, plain, trained

# This process has other threads than a user's, as those of earlier tests.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def test_a_run_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", plain(steps=4))
    ahead = trained(tmp_path / "ahead", plain(steps=4), workers=2)
    assert lines(ahead) == lines(alone)
    assert content(ahead) == content(alone)


def test_an_error_of_a_worker_is_raised_with_its_message(unchecked) -> None:
    def refuse(samples: list) -> dict:
        raise ValueError(f"rows.jsonl:{samples[0]} is refused")

    read = BatchReader([7], refuse).__getitems__([0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^rows\.jsonl:7 is refused$"):
        receive(read)
    assert receive({"a": 1}) == {"a": 1}
