"""The average normalized Levenshtein similarity."""

import pytest

from coterie.metrics.text.anls import Anls
from tests.metrics.cases import score


def test_by_hand() -> None:
    # "hello" and "hallo" differ in 1 of 5: .8. Case and spaces do not count. "ab" and "abcde": 3 of
    # 5 is above one half: 0. Of several answers the nearest.
    cases = [
        ("Hallo ", ("hello",)),
        ("a  B", ("a b",)),
        ("ab", ("abcde",)),
        ("cat", ("dog", "cats")),
    ]
    assert score(Anls(), cases[0]) == pytest.approx(80)
    assert score(Anls(), cases[1]) == 100
    assert score(Anls(), cases[2]) == 0
    assert score(Anls(), cases[3]) == 75
    assert score(Anls(), *cases) == pytest.approx(255 / 4)


def test_threshold() -> None:
    # 2 of 4 is one half, which the benchmarks' program counts.
    assert score(Anls(), ("ab", ("abcd",))) == 50
    assert score(Anls(threshold=0.49), ("ab", ("abcd",))) == 0
    with pytest.raises(ValueError, match=r"Anls\(threshold=0\): give a number above 0, at most 1"):
        Anls(threshold=0)
