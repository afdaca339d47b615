"""Worker processes read the same batches, list what they skip, and fail with the same message."""

from pathlib import Path

import pytest

from tests.train.small import content, lines, plain, trained

# This process has other threads than a user's, as those of earlier tests.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def test_a_run_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", plain(steps=4))
    ahead = trained(tmp_path / "ahead", plain(steps=4), workers=2)
    assert lines(ahead) == lines(alone)
    assert content(ahead) == content(alone)


def test_rows_that_are_too_long_are_listed_or_refused(tmp_path: Path) -> None:
    # Every second answer of a task is twice as long as the others.
    limited = {"max_length": 48, "workers": 2, "batch_size": 6}
    with pytest.raises(ValueError, match=r"max_length is 48\. Nothing is cut") as caught:
        trained(tmp_path / "refused", plain(steps=4), **limited)
    assert "Traceback" not in str(caught.value)
    run = trained(tmp_path / "listed", plain(steps=4), **limited, skip_bad_rows=True)
    alone = limited | {"workers": 0}
    own = trained(tmp_path / "own", plain(steps=4), **alone, skip_bad_rows=True)
    rows = {row.source for row in run.read_bad_rows()}
    assert rows and rows == {row.source for row in own.read_bad_rows()}
