"""Sizes that are compared, and recalls of one direction, by hand; training needs the real model."""

import pytest
import torch

from coterie.metrics.recall_at_k import RankPrediction
from experiments.retrieval import (
    DIRECTIONS,
    Pairs,
    compare,
    count,
    describe_ranks,
    list_connectors,
    run_content,
)


def test_the_systems_have_equal_sizes() -> None:
    built = {
        name: count(kind.build(768, hidden, 576))
        for name, (kind, hidden) in list_connectors(768, 576).items()
    }
    # 12 experts of 2 * 128 * 129; a map in of 769 * 128, one out of 129 * 576; a gate of 129 * 12;
    # two norms, of 768 and 128, and a vector of 768.
    total = 12 * 33_024 + 769 * 128 + 129 * 576 + 129 * 12 + 2 * 768 + 2 * 128 + 768
    active = total - 8 * 33_024
    assert built["mixture"] == total
    assert built["MLP of its size"] == pytest.approx(total, rel=0.002)
    assert built["MLP of its active size"] == pytest.approx(active, rel=0.005)


def test_each_direction_has_its_own_recall() -> None:
    # To the word: ranks 1, 6, 1 and 3; from the word: 2, 2, 2 and 9.
    ranks = [RankPrediction(candidate=a, query=b) for a, b in ((1, 2), (6, 2), (1, 2), (3, 9))]
    found = compare([describe_ranks("one", [ranks]), describe_ranks("two", [ranks[:1] * 4])])
    scores = {name: each["value"] for name, each in found["one"]["scores"].items()}
    to_word, from_word = DIRECTIONS
    assert scores == {
        f"R@1 {to_word}": 50, f"R@5 {to_word}": 75, f"R@1 {from_word}": 0, f"R@5 {from_word}": 75
    }  # fmt: skip
    assert found["two"]["minus_first"][f"R@1 {to_word}"]["value"] == 50


def test_equal_words_have_equal_labels() -> None:
    pairs = Pairs(texts=("cat", "dog", "cat"), features=(), words=torch.zeros(3, 2))
    assert pairs.labels.tolist() == [0, 1, 0]


def test_all_systems_are_trained_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    texts = ("cat", "dog", "bird", "cat")
    pairs = Pairs(texts=texts, features=tuple(torch.randn(4, 3, 8)), words=torch.randn(4, 5))
    found = run_content(pairs, pairs, steps=2)
    assert found["words"] == 3 and len(found["systems"]) == 3
    for each in found["systems"].values():
        assert len(each["last_losses"]) == 3 and len(each["scores"]) == 4
    assert "step 2: loss" in capsys.readouterr().out
