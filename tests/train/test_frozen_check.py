from pathlib import Path

import pytest

from coterie.train.frozen_check import check_old_answers, compute_logits
from tests.train.small import NAMES, plain, trained


def test_other_logits_are_found(tmp_path: Path) -> None:
    runs = [trained(tmp_path / str(steps), plain(), steps=steps) for steps in (1, 2)]
    # Two rows of each of the two tasks.
    assert check_old_answers(runs[0], runs[0]) == 4
    assert [len(each) for each in compute_logits(runs[0], NAMES[:1], None)] == [2]
    with pytest.raises(RuntimeError, match=r"task 'caption': the logits of .* do not use"):
        check_old_answers(*runs)
