"""Layers of a file of expert usage: those that are whole, and of the first one's tasks."""

from typing import Any

import pytest
import torch

from coterie.report.expert_layers import parse_layers

USE = {"a": [0.25, 0.75], "b": [1.0, 0.0]}


def test_layers() -> None:
    layer = {"experts": ["rank 2", "rank 4"], "mean_weight": USE, "chosen": USE}
    damaged: dict[str, Any] = {
        "no experts": layer | {"experts": []},
        "other tasks": layer | {"mean_weight": {"a": [0.5, 0.5]}},
        "a short row": layer | {"mean_weight": {"a": [0.5], "b": [0.5, 0.5]}},
        "no object": [],
    }
    tasks, (found,) = parse_layers({"layers": {"whole": layer, **damaged}})
    assert tasks == ["a", "b"] and (found.name, found.experts) == ("whole", ["rank 2", "rank 4"])
    assert found.chosen is not None and found.chosen.tolist() == [[0.25, 0.75], [1.0, 0.0]]
    assert found.mean_weight.dtype == torch.float64 and found.probability is None


@pytest.mark.parametrize("data", [{}, {"layers": 3}, {"layers": {"a": {}}}])
def test_no_layers(data: dict[str, Any]) -> None:
    assert parse_layers(data) == ([], [])
