"""Shared experts and the tree of tasks, by hand."""

import json
from dataclasses import asdict

import pytest
import torch

from coterie.evaluate.task_similarity import (
    cluster_tasks,
    compute_choice_overlap,
)


def test_the_share_in_common() -> None:
    # Brought to sums of 1: [.5, .5, 0], [.25, .25, .5], [0, 0, 1].
    found = compute_choice_overlap(
        torch.tensor([[1.0, 1.0, 0.0], [0.5, 0.5, 1.0], [0.0, 0.0, 2.0]])
    )
    assert found.tolist() == [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]


def test_average_linkage() -> None:
    # a and c are .1 apart, and merge first; b is .6 from a and .8 from c: .7 from both.
    alike = 1 - torch.tensor([[0, 0.6, 0.1], [0.6, 0, 0.8], [0.1, 0.8, 0]], dtype=torch.float64)
    made = cluster_tasks(("a", "b", "c"), alike)
    first, second = made.merges
    assert (set(first[:2]), first[3]) == ({0, 2}, 2) and first[2] == pytest.approx(0.1)
    assert (set(second[:2]), second[3]) == ({1, 3}, 3) and second[2] == pytest.approx(0.7)
    # b stands beside a, which it is nearer to.
    assert made.order in (("b", "a", "c"), ("c", "a", "b"))
    assert [max(distances) for _, distances in made.lines] == pytest.approx([0.1, 0.7])
    assert json.loads(json.dumps(asdict(made)))["order"] == list(made.order)


def test_few_tasks() -> None:
    assert cluster_tasks(("a",), torch.ones(1, 1)).order == ("a",)
    with pytest.raises(ValueError, match=r"likeness is \(2, 2\) for 3 tasks"):
        cluster_tasks(("a", "b", "c"), torch.ones(2, 2))
